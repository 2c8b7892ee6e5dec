"""A real browser, where the machine has one."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright

from tests.server.house import House

FOUND = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# A browser comes with the system, where the project installs nothing; tests/server looks at the pages without one.
needs_browser = pytest.mark.skipif(FOUND is None, reason="needs Chromium: `apt-get install chromium`")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_PATIENCE = 60_000  # milliseconds that a condition may take on a busy machine


class Visitor:
    """Somebody at a browser of their own. What a page must never do is kept in ``faults``."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.faults: list[str] = []
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self._said)

    def _said(self, message: Any) -> None:
        if "Content Security Policy" in message.text or "Refused to" in message.text:
            self.faults.append(message.text)

    async def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    async def open(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def follow(self, link: Locator) -> None:
        """Click on what leads to another page, and wait until that one is there: a click alone may return before."""
        async with self.page.expect_navigation():
            await link.click()

    async def text(self) -> str:
        return await self.page.inner_text("main")


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser that is closed at the end."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=FOUND, args=_FLAGS, timeout=_PATIENCE)
        try:
            yield browser
        finally:
            await browser.close()


async def visit(browser: Browser, built: House, url: str, name: str, *roles: str, **how: Any) -> Visitor:
    """Somebody logs in by their one-time link, as people do."""
    await built.people.ensure(name, roles or ("adjuster",), by="test")
    secret = await built.people.sessions.link(name, by="test")
    context = await browser.new_context(**how)
    context.set_default_timeout(_PATIENCE)
    page = await context.new_page()
    visitor = Visitor(page, url)
    await visitor.open(f"/login/{secret}")
    await visitor.follow(page.get_by_role("button", name="Log in"))
    await page.wait_for_url("**/inbox")
    return visitor
