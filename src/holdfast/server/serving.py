"""Serving an application over HTTP/1.1, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI

from holdfast.errors import BadOption

_GRACE = 10  # seconds that requests have to end when it stops
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are handled by whoever serves."""
        yield


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: the address.
        port: 0 for any that is free.

    Raises:
        BadOption: nobody can listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        raise BadOption(f"nobody can listen at {host}:{port} ({error}): choose another port or address") from error


def url_of(listener: socket.socket) -> str:
    """Where a socket can be reached, over plain HTTP."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextlib.asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    """Serve meanwhile; gives the task that does. At the end streams end at once, requests have ten seconds, and the
    socket is closed.
    """
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="off",
        timeout_graceful_shutdown=_GRACE, proxy_headers=False,
    )  # fmt: skip
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]), name="holdfast-server")
    try:
        yield task
    finally:
        app.state.house.stop()
        server.should_exit = True
        await task
        listener.close()
