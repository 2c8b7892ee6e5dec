"""Who sits at this terminal, and the desk that they sit at."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from holdfast.approvals.case import Person
from holdfast.approvals.desk import Desk
from holdfast.approvals.routing import ADMIN
from holdfast.cli.stores import client_of
from holdfast.clock import SystemClock
from holdfast.errors import UnknownPerson, UsageError
from holdfast.people import People
from holdfast.people import Person as Known
from holdfast.store.base import Store

VIA = "cli"

By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="NAME",
        help="Who decides: a person of the store; by default whoever is logged in to this machine, or the only one. "
        "Of a server it is whose token is in $HOLDFAST_TOKEN.",
    ),
]
ApprovalId = Annotated[str, typer.Argument(metavar="APPROVAL", help="Its id, as `inbox list` shows it.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """A desk, and who is at it."""

    desk: Desk
    who: Person


@asynccontextmanager
async def seat_at(store: str | None, app: str | None, by: str | None) -> AsyncIterator[Seat]:
    """The desk of a store, or of a server.

    Whoever can open a database can do everything in it: there, names are for the record, and keep people from deciding
    by mistake what is not theirs. A server knows people by their tokens.

    Raises:
        UsageError: nobody knows who it is.
        UnknownPerson: the store does not know them.
        StoreUnusable: no store is named or found, or it cannot be opened.
    """
    async with client_of(store, app) as client:
        if getattr(client.store, "api", None) is None:
            yield Seat(desk=client.inbox, who=await _person(client.store, by))
        elif by is None:
            yield Seat(desk=client.inbox, who=Person(name="token"))  # it says who: the server does not look at this
        else:
            raise UsageError("a server knows you by your token: leave out --by, or set $HOLDFAST_TOKEN to theirs")


async def _person(store: Store, by: str | None) -> Person:
    people = People(store, SystemClock())
    if not await people.any():
        return Person(name=by or _logged_in(), roles=frozenset({ADMIN}))
    try:
        known = await people.get(by or _logged_in())
    except UnknownPerson as error:
        if by is not None:
            raise
        known = await _only(people, error)
    return Person(name=known.name, roles=known.roles)


async def _only(people: People, error: UnknownPerson) -> Known:
    """The only person that a store knows: after `holdfast dev`, its admin."""
    known = await people.list()
    if len(known) != 1:
        raise UsageError(f"{error}; say who decides: --by NAME") from error
    return known[0]


def _logged_in() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container may have no such user
        raise UsageError("this machine does not say who is logged in: say who decides, --by NAME") from error
