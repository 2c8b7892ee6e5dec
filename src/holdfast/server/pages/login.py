"""Logging in with a one-time link, and out. A scanner that follows a link changes nothing: a button does."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from holdfast.errors import NotAuthenticated
from holdfast.people import Caller, Scope, Session
from holdfast.server.access import caller_of, cookie_name
from holdfast.server.house import House, InHouse
from holdfast.server.pages import destination
from holdfast.server.pages.rendering import page
from holdfast.server.problems import Refused, note
from holdfast.server.refusals import ANONYMOUS

router = APIRouter()
Secret = Annotated[str, Path(max_length=200)]


@router.get("/login")
async def show_login(house: InHouse) -> HTMLResponse:
    """How to log in."""
    return page("login.html", sso=None if house.provider is None else house.provider.config.label)


@router.get("/login/{secret}")
async def show_link(house: InHouse, secret: Secret) -> HTMLResponse:
    """A link, opened: nothing has happened yet."""
    try:
        invited = await house.people.sessions.invited(secret)
        await house.refusals.note("link.opened", invited, actor=ANONYMOUS)
        return page("link.html", invited=invited)
    except NotAuthenticated as error:
        return page("login.html", status=410, problem=str(error))


@router.post("/login/{secret}")
async def use_link(house: InHouse, request: Request, secret: Secret) -> Response:
    """A link, used: it is worth nothing now, and a new session begins."""
    if not from_here(request):
        await note(request, Refused(403, "another site sent the form"))
        return page("login.html", status=403, problem="another site sent you here: open the link itself")
    before = request.cookies.get(cookie_name(house.config))
    try:
        session = await house.people.sessions.enter(secret, before=before)
    except NotAuthenticated as error:
        await note(request, error)
        return page("login.html", status=410, problem=str(error))
    return welcomed(house, request, session)


@router.post("/logout")
async def leave(house: InHouse, request: Request) -> Response:
    """End the session."""
    await caller_of(house, request)  # whose form it is: its CSRF token is looked at there
    await house.people.sessions.leave(request.cookies.get(cookie_name(house.config), ""))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(cookie_name(house.config), path="/", secure=house.config.secure, httponly=True)
    return response


@router.get("/")
async def home(house: InHouse, request: Request) -> Response:
    """Where people begin."""
    who = await visitor(house, request)
    if who is None or Scope.DECIDE in who.scopes:
        return RedirectResponse("/login" if who is None else "/inbox", 303)
    return page("home.html", who=who)


async def visitor(house: House, request: Request) -> Caller | None:
    """Whose session a page is asked for in; None: nobody's."""
    try:
        return await caller_of(house, request)
    except NotAuthenticated:
        return None


def welcomed(house: House, request: Request, session: Session) -> Response:
    """The answer that gives a browser its session, and leads where it was going."""
    response = RedirectResponse(destination.recalled(request, house.config), 303)
    response.set_cookie(
        cookie_name(house.config), session.secret, max_age=(session.expires_at - house.clock.now()) // 1_000_000,
        path="/", secure=house.config.secure, httponly=True, samesite="lax",
    )  # fmt: skip
    destination.forget(response, request, house.config)
    return response


def from_here(request: Request) -> bool:
    """Whether a form was sent by a page of this server, as far as the browser says: else others could log people in."""
    site = request.headers.get("sec-fetch-site")
    return site in (None, "same-origin", "none")
