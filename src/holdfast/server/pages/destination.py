"""Where somebody was going when they had to log in first. Their browser keeps it, and it can only be a page of here."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import Response

from holdfast.people.sessions import LINK_LASTS
from holdfast.server.house import ServerConfig

HOME = "/"
_LONGEST = 2000
_NOT_THERE = ("/login", "/logout", "/sso", "/static")  # nobody was on their way to these


def remember(response: Response, request: Request, config: ServerConfig) -> None:
    """Have the browser keep where it was going, for as long as a log-in link is good.

    It is the address that was asked for here, and nothing that a link or a form says: nobody else chooses it.
    """
    if to := _local(_asked(request)):
        response.set_cookie(
            _cookie(config), to, max_age=LINK_LASTS // 1_000_000, path="/", secure=config.secure, httponly=True,
            samesite="lax",
        )  # fmt: skip


def recalled(request: Request, config: ServerConfig) -> str:
    """Where the browser was going; the beginning if nobody knows, or if it is no page of here."""
    return _local(request.cookies.get(_cookie(config), "")) or HOME


def forget(response: Response, request: Request, config: ServerConfig) -> None:
    """Have the browser forget it, if it keeps it."""
    if _cookie(config) in request.cookies:
        response.delete_cookie(_cookie(config), path="/", secure=config.secure, httponly=True)


def _cookie(config: ServerConfig) -> str:
    return "__Host-holdfast_to" if config.secure else "holdfast_to"


def _asked(request: Request) -> str:
    path = quote(request.scope["path"], safe="/~")
    query = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _local(to: str) -> str:
    """A path of this server; empty if a browser could take it for anything else: two slashes or backslashes, with or
    without blanks that browsers drop between them, lead to another host.
    """
    plain = to.startswith("/") and not to.startswith("//") and len(to) <= _LONGEST
    if not plain or "\\" in to or not all("!" <= one <= "~" for one in to):
        return ""
    parts = urlsplit(to)
    elsewhere = parts.scheme or parts.netloc
    return to if not elsewhere and not any(f"{parts.path}/".startswith(f"{one}/") for one in _NOT_THERE) else ""
