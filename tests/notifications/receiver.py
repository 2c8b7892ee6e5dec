"""A receiver of webhooks: a real HTTP server that behaves as badly as it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

Behaviour = Callable[["Receiver", asyncio.StreamWriter], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def about(self) -> list[str]:
        """Ids of the approvals that it tells of."""
        data = self.json["data"]
        return [one["id"] for one in data.get("approvals", [data])]


def answers(status: int, *lines: str, body: str = "") -> Behaviour:
    """Answer with a status."""

    def behave(receiver: Receiver, writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", "connection: close", *lines]
        writer.write(("\r\n".join(head) + "\r\n\r\n" + body).encode())

    return behave


def dies(receiver: Receiver, writer: asyncio.StreamWriter) -> None:
    """Die in the middle of an answer."""
    writer.write(b"HTTP/1.1 2")
    assert isinstance(writer.transport, asyncio.Transport)


async def hangs(receiver: Receiver, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the receiver is closed."""
    await receiver.closing.wait()


@dataclass(slots=True)
class Receiver:
    """Notes what it gets. It behaves as the next of its behaviours says, and then like the last."""

    behaviours: list[Behaviour] = field(default_factory=lambda: [answers(204)])
    got: list[Got] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook/s3cret-path"
        return self

    async def __aexit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._server is not None
        self.closing.set()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.got.append(Got(path=head[0].split()[1], headers=headers, body=body))
        self.arrived.set()
        behave = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        if asyncio.iscoroutinefunction(behave):
            await behave(self, writer)
        else:
            behave(self, writer)
        writer.close()
