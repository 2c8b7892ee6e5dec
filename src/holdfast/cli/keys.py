"""``holdfast keys new | list | rotate | revoke``: with which other systems sign what they decide as somebody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from holdfast.cli import options, views
from holdfast.cli.output import document, say, table
from holdfast.cli.people import Name, actor, people_of
from holdfast.clock import micros
from holdfast.people.keys import SigningKey
from holdfast.people.shown import key_json

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="A signing key's id, as `keys list` shows it.")]


def new(
    name: Name,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Make a signing key for somebody, a service too, and print its id and its secret: that is never told again."""
    secret, key = asyncio.run(_with(store, app, lambda people: people.issue_key(name, by=actor(), label=label)))
    _tell(secret, key, as_json=as_json)


def list_keys(
    person: Annotated[str | None, typer.Option(metavar="NAME", help="Only theirs.")] = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """List signing keys, without their secrets."""
    found: Sequence[SigningKey] = asyncio.run(_with(store, app, lambda people: people.keys(person)))
    if as_json:
        document({"keys": [key_json(one) for one in found]})
    else:
        rows = [
            (
                one.id, one.person, one.label, views.short(one.created_at), views.short(one.rotated_at),
                views.short(one.old_until),
            )
            for one in found
        ]  # fmt: skip
        table(("KEY", "PERSON", "LABEL", "CREATED", "ROTATED", "OLD UNTIL"), rows)


def rotate(
    key_id: KeyId,
    overlap: Annotated[
        str, typer.Option(metavar="AGE", help="How long the secret before is good for; 0s if others know it.")
    ] = "1d",
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Give a signing key another secret and print it; its id stays."""
    rotated = asyncio.run(
        _with(store, app, lambda people: people.rotate_key(key_id, by=actor(), overlap=micros(overlap)))
    )
    _tell(*rotated, as_json=as_json)


def revoke(key_id: KeyId, store: options.Store = None, app: options.Of = None, as_json: options.Json = False) -> None:
    """Make a signing key worth nothing, from the next message on."""
    key = asyncio.run(_with(store, app, lambda people: people.revoke_key(key_id, by=actor())))
    document(key_json(key)) if as_json else say(f"signing key {key.id} of {key.person} is revoked")


def _tell(secret: str, key: SigningKey, *, as_json: bool) -> None:
    document(key_json(key) | {"secret": secret}) if as_json else say(f"{key.id} {secret}")


async def _with(store: str | None, app: str | None, act: Any) -> Any:
    async with people_of(store, app) as people:
        return await act(people)
