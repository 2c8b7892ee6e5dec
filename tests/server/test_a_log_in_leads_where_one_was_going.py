"""Who has to log in first comes to the page that they had opened; and never to another server."""

from __future__ import annotations

import httpx2
import pytest

from holdfast.server import ServerConfig, create_app
from tests.server.house import House, asked, settle


async def log_in(built: House, browser: httpx2.AsyncClient) -> httpx2.Response:
    await built.people.ensure("ann", ["adjuster"], by="test")
    return await browser.post(f"/login/{await built.people.sessions.link('ann', by='test')}")


async def test_a_link_leads_to_the_case_that_was_opened(built: House) -> None:
    approval, browser = await asked(built, settle("c-1")), await built.client()
    sent_away = await browser.get(f"/inbox/{approval.id}?from=mail&n=%C3%BC")
    assert (sent_away.status_code, sent_away.headers["location"]) == (303, "/login")
    entered = await log_in(built, browser)
    assert (entered.status_code, entered.headers["location"]) == (303, f"/inbox/{approval.id}?from=mail&n=%C3%BC")
    assert (await browser.get(entered.headers["location"])).status_code == 200
    assert (await log_in(built, browser)).headers["location"] == "/", "it is forgotten once they have come there"


async def test_it_is_the_last_page_and_for_a_quarter_of_an_hour(built: House) -> None:
    browser = await built.client()
    for path in ("/inbox/a", "/inbox/b"):
        kept = (await browser.get(path)).headers["set-cookie"]
    value, *flags = kept.split("; ")
    assert value.startswith("holdfast_to=")
    assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={15 * 60}"} <= set(flags)
    assert (await log_in(built, browser)).headers["location"] == "/inbox/b"


async def test_over_tls_no_other_host_can_set_it(built: House) -> None:
    built.api = create_app(built.store, clock=built.clock, config=ServerConfig(public_url="https://hold.example"))
    kept = (await (await built.client(url="https://hold.example")).get("/inbox")).headers["set-cookie"]
    assert kept.startswith("__Host-holdfast_to=")
    assert "Secure" in kept


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "inbox",
        "javascript:alert(1)", "/login/secret", "/logout", "/sso/back", "/" + "x" * 2001, "", "/ü",
    ],
)  # fmt: skip
async def test_it_never_leads_to_another_server(built: House, to: str) -> None:
    cookie = f'holdfast_to="{to}"'.replace("\\", "\\\\").encode("latin-1")
    browser = await built.client()
    await built.people.ensure("ann", ["adjuster"], by="test")
    link = await built.people.sessions.link("ann", by="test")
    entered = await browser.post(f"/login/{link}", headers={b"cookie": cookie})
    assert (entered.status_code, entered.headers["location"]) == (303, "/")


async def test_what_was_asked_for_comes_back_as_it_was_escaped(built: House) -> None:
    for path, to in (
        ("/inbox/%5c%5cevil.example", "/inbox/%5C%5Cevil.example"),
        ("/inbox/a%20b%25:c?d=%2f", "/inbox/a%20b%25%3Ac?d=%2f"),
    ):
        browser = await built.client()
        assert (await browser.get(path)).status_code == 303
        assert (await log_in(built, browser)).headers["location"] == to


async def test_nothing_that_a_link_says_is_taken(built: House) -> None:
    browser = await built.client()
    await browser.get("/login?next=https://evil.example&to=//evil.example")
    assert (await log_in(built, browser)).headers["location"] == "/"
