"""``holdfast promise resolve | fail``: gives runs what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from holdfast.cli import options
from holdfast.cli.inputs import read
from holdfast.cli.output import document, say
from holdfast.cli.stores import client_of
from holdfast.durable.client import Client
from holdfast.errors import WrongState

PromiseId = Annotated[str, typer.Argument(metavar="PROMISE", help="Its id: RUN/NAME.")]


def resolve(
    promise_id: PromiseId,
    value: Annotated[str, typer.Argument(metavar="JSON|@FILE|-", help="Its value.")],
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Resolve a promise with a JSON value; the run that waits for it goes on."""
    given = read(value, "the value")
    asyncio.run(_tell(promise_id, store, app, lambda client: client.resolve(promise_id, given)))
    document({"promise": promise_id, "ok": True}) if as_json else say(f"promise {promise_id} is resolved")


def fail(
    promise_id: PromiseId,
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Why; the run gets it as PromiseFailed.")],
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Fail a promise; the run that waits for it gets PromiseFailed."""
    asyncio.run(_tell(promise_id, store, app, lambda client: client.fail(promise_id, message)))
    document({"promise": promise_id, "ok": False}) if as_json else say(f"promise {promise_id} has failed")


async def _tell(promise_id: str, store: str | None, app: str | None, tell: Callable[[Client], Awaitable[bool]]) -> None:
    async with client_of(store, app) as client:
        if not await tell(client):
            raise WrongState(f"promise {promise_id} was resolved before, or its run has ended: nothing was changed")
