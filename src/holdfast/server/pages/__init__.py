"""Pages for people: rendered here, with nothing loaded from elsewhere and no script inside a page.

A page is a module with a ``router`` whose routes answer with :func:`~holdfast.server.pages.rendering.page`; its
template lies in ``templates``, what it loads in ``static``. Forms hold ``{{ csrf }}`` in a field named ``csrf``.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from holdfast.server.pages import confirm, inbox, login, matter, sso

ROUTERS = (login, sso, inbox, matter, confirm)


def install(app: FastAPI) -> None:
    """Add the pages to an application."""
    for module in ROUTERS:
        app.include_router(module.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
