"""``holdfast tokens new | list | revoke``: what programs prove with who sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from holdfast.cli import options, views
from holdfast.cli.output import document, say, table
from holdfast.cli.people import Name, actor, people_of
from holdfast.clock import micros
from holdfast.people.shown import token_json
from holdfast.people.tokens import Token


def new(
    name: Name,
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="SCOPE", help="read, start, operate, decide or admin; repeatable.")
    ],
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    lasts: Annotated[str | None, typer.Option(metavar="AGE", help="Until it expires, such as 90d.")] = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Make a token for somebody and print it: it is told now and never again.

    It allows what its scopes say, as far as its person's roles allow it.
    """
    age = None if lasts is None else micros(lasts)
    secret, token = asyncio.run(
        _with(store, app, lambda people: people.issue(name, scope, by=actor(), label=label, lasts=age))
    )
    document(token_json(token) | {"secret": secret}) if as_json else say(secret)


def list_tokens(
    person: Annotated[str | None, typer.Option(metavar="NAME", help="Only theirs.")] = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """List tokens, without their secrets."""
    found: Sequence[Token] = asyncio.run(_with(store, app, lambda people: people.tokens(person)))
    if as_json:
        document({"tokens": [token_json(one) for one in found]})
    else:
        rows = [
            (
                one.id, one.person, ", ".join(sorted(one.scopes)), one.label, views.short(one.created_at),
                views.short(one.expires_at), views.short(one.used_at),
            )
            for one in found
        ]  # fmt: skip
        table(("TOKEN", "PERSON", "SCOPES", "LABEL", "CREATED", "EXPIRES", "USED"), rows)


def revoke(
    token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="A token's id, as `tokens list` shows it.")],
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Make a token worth nothing, from its next use on."""
    token = asyncio.run(_with(store, app, lambda people: people.revoke(token_id, by=actor())))
    document(token_json(token)) if as_json else say(f"token {token.id} of {token.person} is revoked")


async def _with(store: str | None, app: str | None, act: Any) -> Any:
    async with people_of(store, app) as people:
        return await act(people)
