"""Rendering pages: whatever is in a field comes out as text, and what is refused is said on a page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

from holdfast.errors import HoldfastError, NotAuthenticated, ScopeMissing, UnknownApproval
from holdfast.people import Caller
from holdfast.server.pages import destination, words
from holdfast.server.pages.fields import pretty
from holdfast.server.problems import Refused, note
from holdfast.wire.problems import FAULT, sort_of

logger = logging.getLogger("holdfast.server")

templates = Environment(
    loader=PackageLoader("holdfast.server.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
templates.filters |= words.FILTERS | {"pretty": pretty}
_HIDDEN = "the server failed; its log says why. Whether something was done is not known: look before you try again"
_ENDED = (
    "your session has ended and nothing was done. Log in in another tab, then go back: what you typed is still there"
)
_NO_CASE = "There is no such case: its run was deleted, or the link was cut off. Nothing was done."


def page(template: str, *, who: Caller | None = None, status: int = 200, **values: Any) -> HTMLResponse:
    """A page.

    Args:
        template: its file in ``templates``.
        who: whose session it is shown in; templates know their name and the CSRF token of their forms.
        status: of the answer.
        values: what else the template shows.
    """
    person = None if who is None else who.person.name
    text = templates.get_template(template).render(person=person, csrf="" if who is None else who.csrf, **values)
    return HTMLResponse(text.encode("utf-8", "backslashreplace"), status)


class PageRoute(APIRoute):
    """A route whose errors are pages too; who is not logged in is sent to do so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except NotAuthenticated as error:
                await note(request, error)
                if request.method == "GET":
                    return _log_in_first(request)
                return sorry(_ENDED if "session" in str(error) else str(error), 401)
            except UnknownApproval:  # where the store is, which the error says, is nothing to people at a browser
                return sorry(_NO_CASE, 404)
            except HoldfastError as error:
                if isinstance(error, ScopeMissing):
                    await note(request, error)
                sort = sort_of(error)
                if sort is FAULT:
                    logger.error("%s failed", request.scope["path"], exc_info=error)
                return sorry(_HIDDEN if sort is FAULT else str(error), sort.status)
            except Refused as error:
                await note(request, error)
                return sorry(error.detail, error.status)
            except RequestValidationError:
                return sorry("this address, or what was sent to it, is not as this page makes them", 422)

        return answered


def _log_in_first(request: Request) -> Response:
    response = RedirectResponse("/login", 303)
    destination.remember(response, request, request.app.state.house.config)
    return response


def sorry(problem: str, status: int) -> HTMLResponse:
    """The page that says what went wrong."""
    return page("sorry.html", status=status, problem=problem)
