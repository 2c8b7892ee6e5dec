"""What holds of every request and every answer: headers that browsers obey, and bodies of one type."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.server.problems import TOO_LARGE, answer, answer_error, note_too_large
from holdfast.wire.problems import of_status

_PROBES = frozenset({"/healthz", "/readyz"})
RESUME_BODY = 2**20
"""Bytes of a decision by token or signed message: whoever sends it is known only once all of it was read."""
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


class StrictHeaders:
    """Adds what browsers are to obey; nothing that may be secret is kept by caches.

    Args:
        app: what answers.
        secure: whether people reach it over TLS only.
    """

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._headers = _ALWAYS | ({"Strict-Transport-Security": "max-age=31536000"} if secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Faultless:
    """Makes a problem of whatever nobody has caught; where the answer has begun, it breaks off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def send_noticed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noticed)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            await answer_error(scope["path"], error)(scope, receive, send)


class JsonOnly:
    """Refuses bodies of another type than JSON below ``/api``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _other_type(scope):
            response = answer(scope["path"], of_status(415), "send JSON, with Content-Type: application/json")
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _other_type(scope: Scope) -> bool:
    if scope["method"] not in _UNSAFE or not scope["path"].startswith("/api/"):
        return False
    headers = Headers(scope=scope)
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return False
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json"))


class BodyLimit:
    """Refuses bodies that are too large: by what they say of themselves, or as soon as they are.

    Args:
        app: what answers.
        limit: bytes.
        less: bytes below certain paths, by their beginning.
    """

    def __init__(self, app: ASGIApp, *, limit: int, less: Mapping[str, int]) -> None:
        self._app = app
        self._limit = limit
        self._less = less

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self._limit_of(scope)
        if scope["type"] == "http" and _length(scope) > limit:
            await note_too_large(scope)
            response = answer(scope["path"], of_status(413), TOO_LARGE)
            await response(scope, receive, send)
        else:
            await self._app(scope, _counted(receive, limit), send)

    def _limit_of(self, scope: Scope) -> int:
        path = scope.get("path", "")
        return min((limit for start, limit in self._less.items() if path.startswith(start)), default=self._limit)


def _counted(receive: Receive, limit: int) -> Receive:
    had = 0

    async def receive_some() -> Message:
        nonlocal had
        message = await receive()
        had += len(message.get("body", b""))
        if had > limit:
            raise HTTPException(413)
        return message

    return receive_some


def _length(scope: Scope) -> int:
    said = Headers(scope=scope).get("content-length", "0")
    return int(said) if said.isdecimal() else 0


class KnownHosts:
    """Answers only to the names that the server has: a browser that was given another may have been tricked.

    Args:
        app: what answers.
        hosts: the names, in lower case; ``*`` for any.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        probed = scope.get("path") in _PROBES  # probes ask by address
        if scope["type"] == "http" and not probed and not self._known(Headers(scope=scope).get("host", "")):
            response = answer(scope["path"], of_status(400), "the Host header is none of this server's names")
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _known(self, host: str) -> bool:
        if "*" in self._hosts:
            return True
        try:
            return urlsplit(f"//{host}").hostname in self._hosts
        except ValueError:
            return False
