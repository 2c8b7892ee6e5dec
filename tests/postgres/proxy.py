"""A proxy in front of a server, which loses what it carries when the test wants it to."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

_CHUNK = 65_536


class Proxy:
    """Carries bytes both ways, on the loop of the test.

    ``forward`` says how many more bytes of requests reach the server before the connection breaks (None: all);
    ``answering`` is cleared to keep back what the server says; ``silent_from`` does so at the first request that has
    these bytes in it. The first that has those of ``lost_at`` does not arrive: every connection breaks.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self.forward: int | None = None
        self.silent_from: bytes | None = None
        self.lost_at: bytes | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.broken = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self.cut()
        self.answering.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """The store's URL, by way of this proxy."""
        login = self._parts.netloc.rpartition("@")[0]
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(self._parts._replace(netloc=f"{login}@127.0.0.1:{port}"))

    def cut(self) -> None:
        """Break every connection, without a word."""
        for writer in list(self._open):
            writer.transport.abort()
        self._open.clear()
        self.broken.set()

    def shut(self) -> None:
        """Break every connection, and take no more: nobody listens at the port."""
        self._port = self._server.sockets[0].getsockname()[1]
        self._server.close()
        self.cut()

    async def open_again(self) -> None:
        """Listen at the same port as before."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._parts.port is not None
        try:
            answers, requests = await asyncio.open_connection("127.0.0.1", self._parts.port)
        except OSError:
            writer.transport.abort()
            return
        if not self._server.is_serving():  # shut meanwhile
            requests.transport.abort()
            writer.transport.abort()
            return
        self._open |= {writer, requests}
        for carrying in (self._requests(reader, requests), self._answers(answers, writer)):
            task = asyncio.ensure_future(carrying)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.forward is not None:
                    data, self.forward = data[: self.forward], max(0, self.forward - len(data))
                if self.lost_at is not None and self.lost_at in data:
                    self.lost_at = None
                    self.cut()
                    break
                if self.silent_from is not None and self.silent_from in data:
                    self.silent_from = None
                    self.answering.clear()
                writer.write(data)
                await writer.drain()
                if self.forward == 0:
                    self.forward = None
                    self.cut()
        writer.transport.abort()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self.answering.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
