"""Who asks, and whether they may: tokens in the ``Authorization`` header, or a session's cookie with its CSRF token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from holdfast.errors import NotAuthenticated, ScopeMissing
from holdfast.people import Caller, Scope
from holdfast.server.house import House, InHouse, ServerConfig
from holdfast.server.problems import Refused

CSRF_HEADER, CSRF_FIELD = "X-CSRF-Token", "csrf"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOW = "send `Authorization: Bearer hf_…` (`holdfast tokens new` makes one), or log in"

bearer = HTTPBearer(auto_error=False, scheme_name="token", description="An API token, `hf_…`.")


def cookie_name(config: ServerConfig) -> str:
    """The session's cookie; over TLS browsers keep one of this name to exactly this host."""
    return "__Host-holdfast" if config.secure else "holdfast_session"


async def caller_of(house: House, request: Request) -> Caller:
    """Who asks, by whatever they came with.

    Raises:
        NotAuthenticated: nobody, or nobody known.
        Refused: it may have been another site that made their browser ask.
    """
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise NotAuthenticated(f"this Authorization header is none that this server knows: {_HOW}")
        return _known(request, await house.people.tokens.caller(secret.strip()))
    cookie = request.cookies.get(cookie_name(house.config))
    if not cookie:
        raise NotAuthenticated(f"the request says nothing of who sends it: {_HOW}")
    caller = _known(request, await house.people.sessions.caller(cookie))
    if request.method not in _SAFE:
        await check_csrf(caller, request)
    return caller


def _known(request: Request, caller: Caller) -> Caller:
    """Who asks; whoever refuses them says so in the audit trail."""
    request.state.caller = caller
    return caller


async def check_csrf(caller: Caller, request: Request) -> None:
    """Whether a request of a session came from a page of this server.

    Raises:
        Refused: it did not say what only such a page knows.
    """
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        given = str((await request.form()).get(CSRF_FIELD, ""))
    if not given or not hmac.compare_digest(given.encode(), caller.csrf.encode()):
        raise Refused(403, f"the request does not hold its session's CSRF token ({CSRF_HEADER}): load the page again")


def needs(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, who must have this scope."""

    async def caller(house: InHouse, request: Request, _: Annotated[object, Depends(bearer)]) -> Caller:
        found = await caller_of(house, request)
        check(found, scope)
        return found

    return caller


def check(caller: Caller, scope: Scope) -> None:
    """Whether a caller may do something.

    Raises:
        ScopeMissing: they may not.
    """
    if scope not in caller.scopes:
        roles = ", ".join(sorted(caller.person.roles)) or "none"
        have = ", ".join(sorted(caller.scopes)) or "none"
        raise ScopeMissing(f"{caller.person.name} needs scope {scope} for this and has {have} (roles: {roles})")


async def anybody(house: InHouse, request: Request, _: Annotated[object, Depends(bearer)]) -> Caller:
    """A dependency: the caller, whatever they may do."""
    return await caller_of(house, request)


Known = Annotated[Caller, Depends(anybody)]
Reader = Annotated[Caller, Depends(needs(Scope.READ))]
Starter = Annotated[Caller, Depends(needs(Scope.START))]
Operator = Annotated[Caller, Depends(needs(Scope.OPERATE))]
Decider = Annotated[Caller, Depends(needs(Scope.DECIDE))]
Admin = Annotated[Caller, Depends(needs(Scope.ADMIN))]
