"""Direct connections of webhooks: a name is resolved once, and what is connected to is what was looked at."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

from holdfast.approvals.notifications.reach import Reach, Unreachable

_PROXIED = ("http", "https", "all")


def transport(reach: Reach) -> httpx2.AsyncHTTPTransport | None:
    """What connects to nothing beyond reach. None where the environment names a proxy: to refuse is its business."""
    proxies = urllib.request.getproxies()
    return None if any(scheme in proxies for scheme in _PROXIED) else _Direct(reach)


class _Direct(httpx2.AsyncHTTPTransport):
    def __init__(self, reach: Reach) -> None:
        super().__init__()
        # The pool that the transport has just made, but for the backend, which it has no argument for.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(), max_connections=100, max_keepalive_connections=20,
            keepalive_expiry=5.0, network_backend=_Checked(reach),
        )  # fmt: skip


class _Checked(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that it has checked."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._plain = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:  # fmt: skip
        failed: Exception = httpcore2.ConnectError(f"{host} has no address")
        found = await _addresses(host, port, timeout)
        share = None if timeout is None else timeout / len(found)  # one that is silent leaves time for the others
        for address in found:
            try:
                self._reach.check(address)
                return await self._plain.connect_tcp(address, port, share, local_address, socket_options)
            except Unreachable as error:
                failed = httpcore2.ConnectError(str(error))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed


async def _addresses(host: str, port: int, timeout: float | None) -> list[str]:
    try:
        async with asyncio.timeout(timeout):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(f"{host} was not resolved in time") from error
    except OSError as error:
        raise httpcore2.ConnectError(f"{host} cannot be resolved: {error}") from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))
