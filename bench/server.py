"""A PostgreSQL server of its own, which syncs every commit to the disk that is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.postgres.server import Server


@contextmanager
def server_in(folder: Path) -> Iterator[Server]:
    """One that ends with the block."""
    server = Server(quick=False, place=folder, settings=("shared_buffers=256MB",))
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.remove()


def on_a_server(folder: Path, once: Callable[[str], Coroutine[Any, Any, float]]) -> float:
    """What is measured once, with the URL of a server that nobody has used."""
    with server_in(folder) as server:
        return asyncio.run(once(server.url))
