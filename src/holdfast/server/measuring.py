"""Metrics of requests, in Prometheus' default registry. Labels are routes as written, never what is in a path."""

from __future__ import annotations

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.clock import boot_seconds

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_requests = Counter("holdfast_http_requests", "Requests to the server.", ["method", "route", "status"])
_seconds = Histogram(
    "holdfast_http_request_seconds", "Until an answer began.", ["method", "route"], buckets=_SECONDS
)  # fmt: skip


class Measured:
    """Counts requests, and how long it takes until their answers begin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = boot_seconds()

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in _METHODS else "(other)"
                route = getattr(scope.get("route"), "path", "(none)")
                _requests.labels(method, route, str(message["status"])).inc()
                _seconds.labels(method, route).observe(boot_seconds() - began)
            await send(message)

        await self._app(scope, receive, send_measured)
