"""Logging in through an OpenID Connect provider."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from holdfast.errors import HoldfastError, NotAuthenticated
from holdfast.server.access import cookie_name
from holdfast.server.house import House, InHouse
from holdfast.server.pages.login import welcomed
from holdfast.server.pages.rendering import page

router = APIRouter()
_COOKIE = "holdfast_login"  # until the provider sends the browser back
_LASTS = 600
_BACK = "/sso/back"
_Said = Annotated[str, Query(max_length=4096)]


@router.post("/sso")
async def leave_for_provider(house: InHouse, request: Request) -> Response:
    """Send the browser to the provider."""
    if house.provider is None:
        return page("login.html", status=404, problem="this server has no log-in provider")
    url, state = await house.provider.begin(_redirect_uri(house, request))
    response = RedirectResponse(url, 303)
    response.set_cookie(
        _COOKIE, state, max_age=_LASTS, path=_BACK, secure=house.config.secure, httponly=True, samesite="lax"
    )
    return response


@router.get(_BACK)
async def come_back(house: InHouse, request: Request, code: _Said = "", state: _Said = "") -> Response:
    """The provider has sent the browser back."""
    try:
        if house.provider is None or not code or not state:
            raise NotAuthenticated("the provider did not let you in")
        identity = await house.provider.finish(code, state, request.cookies.get(_COOKIE, ""))
        await house.people.ensure(identity.name, identity.roles, by="oidc")
        before = request.cookies.get(cookie_name(house.config))
        session = await house.people.sessions.begin(identity.name, via="oidc", before=before)
    except HoldfastError as error:
        return page("login.html", status=401, problem=str(error))
    response = welcomed(house, request, session)
    response.delete_cookie(_COOKIE, path=_BACK)
    return response


def _redirect_uri(house: House, request: Request) -> str:
    return f"{house.config.public_url.rstrip('/') or str(request.base_url).rstrip('/')}{_BACK}"
