"""Telling: datagrams on the loopback network, to each process that listens to a run.

Who listens has a socket, and a file ``ears/<run>.<port>.<token>`` that it keeps locked while it lives. The token comes
first in each datagram: whoever may read the store may tell. Datagrams may be lost.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from holdfast import codec
from holdfast.clock import new_id
from holdfast.errors import StoreUnusable
from holdfast.store.sqlite.living import claim, remove_dead

EARS = "ears"
_TRUSTED_S = 0.05  # how long the list of those who listen is believed: mtimes are coarse
_BUFFER = 4 * 2**20  # bytes that wait in a socket
_AT_ONCE = 1000  # datagrams that are read together


class SqliteEars:
    """See :class:`holdfast.store.base.Ears`."""

    def __init__(self, folder: Path, run_id: str) -> None:
        try:
            folder.mkdir(exist_ok=True)
            remove_dead(folder)
            self._socket = _listening_socket()
            token = new_id(0)
            self._token = token.encode()
            self._file = folder / f"{_name_of(run_id)}.{self._socket.getsockname()[1]}.{token}"
            self._claim = claim(self._file)
        except OSError as error:
            raise StoreUnusable(f"nobody can listen to runs in {folder}: {error}") from error
        self._closed = False

    async def hear(self, timeout: float) -> list[bytes]:
        if self._closed:
            return []
        heard = self._waiting()
        if heard:
            return heard
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        loop.add_reader(self._socket, came.set)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await came.wait()
        finally:
            loop.remove_reader(self._socket)
        return self._waiting()

    def _waiting(self) -> list[bytes]:
        told: list[bytes] = []
        with suppress(BlockingIOError):
            while len(told) < _AT_ONCE:
                data = self._socket.recv(65_536)
                if data.startswith(self._token):
                    told.append(data[len(self._token) :])
        return told

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(OSError):
            self._file.unlink()
        os.close(self._claim)
        self._socket.close()

    def __del__(self) -> None:
        if hasattr(self, "_closed"):
            self.close()


class Voice:
    """Tells those who listen."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._ears: dict[str, list[tuple[int, bytes]]] = {}
        self._seen = (0, 0.0)  # the folder's mtime, and when it was read

    def tell(self, run_id: str, data: Callable[[], bytes]) -> None:
        """See :class:`holdfast.store.base.Telling`."""
        with self._lock:
            listening = self._listening().get(_name_of(run_id), ())
        if listening:
            self._send(listening, data())

    def _send(self, listening: Sequence[tuple[int, bytes]], data: bytes) -> None:
        with self._lock, suppress(OSError):  # full buffers, no loopback: it is lost
            for port, token in listening:
                if self._socket is None:
                    self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    self._socket.setblocking(False)
                self._socket.sendto(token + data, ("127.0.0.1", port))

    def _listening(self) -> dict[str, list[tuple[int, bytes]]]:
        try:
            changed, now = os.stat(self._folder).st_mtime_ns, time.monotonic()
        except OSError:  # nobody has ever listened
            return {}
        if changed != self._seen[0] or now - self._seen[1] > _TRUSTED_S:
            self._ears, self._seen = {}, (changed, now)
            for name in os.listdir(self._folder):
                with suppress(ValueError):  # a file of somebody else's
                    run, port, token = name.split(".")
                    self._ears.setdefault(run, []).append((int(port), token.encode()))
        return self._ears

    def close(self) -> None:
        """Tell no more."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            self._folder = self._folder / "closed"


def _listening_socket() -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    listening.bind(("127.0.0.1", 0))
    listening.setblocking(False)
    return listening


def _name_of(run_id: str) -> str:
    return f"{codec.hash64(run_id) & (2**64 - 1):016x}"
