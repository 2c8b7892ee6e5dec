"""Pages for people: rendered here, with nothing loaded from elsewhere and no script inside a page.

A page is a module with a ``router`` whose routes answer with :func:`~holdfast.server.pages.rendering.page`; its
template lies in ``templates``, what it loads in ``static``. Forms hold ``{{ csrf }}`` in a field named ``csrf``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from holdfast.server.pages import confirm, inbox, login, matter, sso
from holdfast.server.pages.rendering import sorry

ROUTERS = (login, sso, inbox, matter, confirm)


def install(app: FastAPI) -> None:
    """Add the pages to an application that answers with problems already."""
    problem = cast(Callable[[Request, HTTPException], Awaitable[Response]], app.exception_handlers[HTTPException])

    @app.exception_handler(404)
    async def lost(request: Request, error: HTTPException) -> Response:
        if _by_browser(request):
            return sorry("Nothing is at this address. A link in a message may have been cut off: copy all of it.", 404)
        return await problem(request, error)

    for module in ROUTERS:
        app.include_router(module.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")


def _by_browser(request: Request) -> bool:
    """Whether a person at a browser asks, rather than a program."""
    return not request.scope["path"].startswith("/api/") and "text/html" in request.headers.get("accept", "")
