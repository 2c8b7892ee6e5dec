"""``holdfast workers demand``: how many runs need a worker now; for what starts and stops workers."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

import typer

from holdfast import logs
from holdfast.cli import options
from holdfast.cli.output import document, facts, say
from holdfast.cli.stores import client_of
from holdfast.cli.worker import names
from holdfast.durable.client import Client
from holdfast.errors import BadOption, HoldfastError
from holdfast.wire.house import demand_json

logger = logging.getLogger("holdfast.cli")

_PATIENCE_S = 10.0  # who asks over HTTP has to ask within this time


def demand(
    store: options.Store = None,
    app: options.Of = None,
    agents: Annotated[str | None, typer.Option(metavar="A,B", help="Count runs of these agents only.")] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Answer over HTTP, as JSON, until told to stop.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Say how many runs need a worker now.

    Those that are queued, whose timer has passed, whose worker's lease has ended, and those at work: `total` is their
    sum, and zero only if no worker is needed. With --app runs count as far as it hosts their version and its limits and
    rates leave room. With --listen it answers each GET so: a scaler's source.
    """
    wanted = names(agents)
    if listen is None:
        _show(asyncio.run(_ask(store, app, wanted)), as_json=as_json)
    else:
        logs.configure(json=False, level="INFO")
        asyncio.run(_serve(store, app, wanted, *address(listen)))


async def _ask(store: str | None, app: str | None, agents: Sequence[str] | None) -> dict[str, int]:
    async with client_of(store, app) as client:
        return demand_json(await client.demand(agents))


def _show(found: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        document(found)
    else:
        facts((name.replace("_", " "), str(count)) for name, count in found.items())


def address(listen: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``.

    Raises:
        BadOption: it is none.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise BadOption(f"--listen {listen}: write HOST:PORT, such as 0.0.0.0:8080; port 0 is any that is free")
    return host.strip("[]"), int(port)


async def _serve(store: str | None, app: str | None, agents: Sequence[str] | None, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with client_of(store, app) as client:
        answers = _Answers(client, agents)
        try:
            server = await asyncio.start_server(answers.answer, host, port)
        except OSError as error:
            raise BadOption(f"nobody can listen at {host}:{port} ({error}): choose another port") from error
        own = server.sockets[0].getsockname()
        say(f"ready: http://{f'[{own[0]}]' if ':' in own[0] else own[0]}:{own[1]}/")
        async with server:
            await stop.wait()
            server.close()


class _Answers:
    """Answers every request with the demand: HTTP as far as a scaler or a probe speaks it."""

    def __init__(self, client: Client, agents: Sequence[str] | None) -> None:
        self._client = client
        self._agents = agents
        self._asking: asyncio.Future[tuple[HTTPStatus, Any]] | None = None

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                asked = await reader.readuntil(b"\r\n\r\n")
            verb = asked.split(b" ", 1)[0]
            status, body = await self._shared() if verb in (b"GET", b"HEAD") else (HTTPStatus.METHOD_NOT_ALLOWED, {})
            data = json.dumps(body).encode()
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + (b"" if verb == b"HEAD" else data))
            await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            logger.info("a request was not answered: %s: %s", type(error).__name__, error)
        finally:
            writer.close()

    def _shared(self) -> asyncio.Future[tuple[HTTPStatus, Any]]:
        """One question to the store for all who ask at the same time."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask())
        return asyncio.shield(self._asking)

    async def _ask(self) -> tuple[HTTPStatus, Any]:
        try:
            return HTTPStatus.OK, demand_json(await self._client.demand(self._agents))
        except HoldfastError as error:  # the scaler keeps what there is until it is answered again
            logger.warning("the store does not answer: %s", error)
            return HTTPStatus.SERVICE_UNAVAILABLE, {"error": type(error).__name__, "message": str(error)}
