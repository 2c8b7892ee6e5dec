"""``holdfast people add | list | roles | link | remove``: who is known to a store, and what they may do."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from holdfast.cli import options, views
from holdfast.cli.inputs import web_address
from holdfast.cli.output import document, say, table
from holdfast.cli.stores import client_of, url_of
from holdfast.clock import SystemClock
from holdfast.people import People, Person
from holdfast.people.remote import RemotePeople
from holdfast.people.shown import person_json
from holdfast.runtime import open_store
from holdfast.store.base import Store

Name = Annotated[str, typer.Argument(metavar="NAME", help="A person's name.")]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE",
        help="admin, operator, starter, viewer, reviewer, or one that approvals are addressed to; may be repeated.",
    ),
]


def add(
    name: Name, role: Roles = None, store: options.Store = None, app: options.Of = None, as_json: options.Json = False
) -> None:
    """Make somebody known to a store."""
    person = asyncio.run(_add(name, role or (), store, app))
    document(person_json(person)) if as_json else say(f"{name} is known{_as(person)}")


def list_people(store: options.Store = None, app: options.Of = None, as_json: options.Json = False) -> None:
    """List who is known."""
    found: Sequence[Person] = asyncio.run(_with(store, app, lambda people: people.list()))
    if as_json:
        document({"people": [person_json(person) for person in found]})
    else:
        rows = [(one.name, ", ".join(sorted(one.roles)), views.short(one.created_at)) for one in found]
        table(("NAME", "ROLES", "SINCE"), rows)


def roles(
    name: Name, role: Roles = None, store: options.Store = None, app: options.Of = None, as_json: options.Json = False
) -> None:
    """Give somebody these roles instead of those they have; it counts from their next request on."""
    person = asyncio.run(_with(store, app, lambda people: people.set_roles(name, role or (), by=actor())))
    document(person_json(person)) if as_json else say(f"{name} is known{_as(person)}")


def link(
    name: Name,
    server: Annotated[str, typer.Option(metavar="URL", help="Where the store's server is.")] = "http://127.0.0.1:8080",
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Print a link with which somebody can log in, once, within a quarter of an hour."""
    url = asyncio.run(_link(name, web_address(server, "--server"), store, app))
    document({"person": name, "url": url}) if as_json else say(url)


def remove(name: Name, store: options.Store = None, app: options.Of = None, as_json: options.Json = False) -> None:
    """Forget somebody, with their tokens, signing keys and sessions. What they did stays in the audit trail."""
    asyncio.run(_with(store, app, lambda people: people.remove(name, by=actor())))
    document({"removed": name}) if as_json else say(f"{name} is forgotten")


@asynccontextmanager
async def people_of(store: str | None, app: str | None) -> AsyncIterator[RemotePeople | _Local]:
    """The people of a store, or of the store behind a server."""
    async with client_of(store, app) as client:
        yield _people(client.store)


def _people(store: Store) -> RemotePeople | _Local:
    api = getattr(store, "api", None)
    return _Local(People(store, SystemClock())) if api is None else RemotePeople(api)


def actor() -> str:
    """Who is at this terminal, for the audit trail."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container may have no such user
        return "cli"


class _Local:
    """The people of a store, with the verbs that those behind a server have."""

    def __init__(self, people: People) -> None:
        self.add, self.list = people.add, people.list
        self.set_roles, self.remove = people.set_roles, people.remove
        self.issue, self.tokens, self.revoke = people.tokens.issue, people.tokens.list, people.tokens.revoke
        self.issue_key, self.keys = people.keys.issue, people.keys.list
        self.rotate_key, self.revoke_key = people.keys.rotate, people.keys.revoke
        self._sessions = people.sessions

    async def link(self, name: str) -> str:
        return f"/login/{await self._sessions.link(name, by=actor())}"


async def _add(name: str, roles: Sequence[str], store: str | None, app: str | None) -> Person:
    """In a store that is made if need be: somebody has to be the first."""
    opened = await open_store(url_of(store, app))
    try:
        return await _people(opened).add(name, roles, by=actor())
    finally:
        await opened.close()


async def _link(name: str, server: str, store: str | None, app: str | None) -> str:
    async with people_of(store, app) as people:
        found = await people.link(name)
        return found if "://" in found else f"{server}{found}"


async def _with(store: str | None, app: str | None, act: Any) -> Any:
    async with people_of(store, app) as people:
        return await act(people)


def _as(person: Person) -> str:
    return f" as {', '.join(sorted(person.roles))}" if person.roles else ", without any role"
