"""``holdfast prune``: deletes runs that have ended and need not be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from holdfast.cli import options
from holdfast.cli.apps import load
from holdfast.cli.bulk import FIRST, DryRun, Yes, confirmed, would_be
from holdfast.cli.codes import Exit
from holdfast.cli.output import document, say
from holdfast.cli.query import statuses_of
from holdfast.cli.stores import client_of
from holdfast.durable.retention import Retention
from holdfast.errors import BadOption


def prune(
    place: Annotated[
        str | None, typer.Argument(metavar="[MODULE:APP]", help="Apply this app's own rules, App(retention=…).")
    ] = None,
    age: Annotated[str | None, typer.Option(metavar="AGE", help="Delete runs that ended longer ago: 30d.")] = None,
    count: Annotated[
        int | None, typer.Option(min=0, max=10**9, help="Keep the newest so many of each agent and status.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Runs of this agent only.")] = None,
    status: Annotated[
        list[str] | None, typer.Option(metavar="S[,S]", help="Only these: succeeded, failed, cancelled.")
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    store: options.Store = None,
    as_json: options.Json = False,
) -> int:
    """Delete runs that have ended, with their descendants, once all of these have ended too.

    Give --age or --count, or both, and whose; or MODULE:APP, whose workers do the same every now and then. A run goes
    if it is older, or if there are so many newer ones.
    """
    rules = _rules(place, age, count, agent, status)
    return asyncio.run(_prune(rules, store, place, yes=yes, dry_run=dry_run, as_json=as_json))


def _rules(
    place: str | None, age: str | None, count: int | None, agent: str | None, status: list[str] | None
) -> Sequence[Retention]:
    if place is None:
        if age is None and count is None:
            raise BadOption("what may go? Give --age 30d or --count N; or MODULE:APP, whose own rules are applied then")
        ends = {"status": statuses_of(status)} if status else {}
        return [Retention(age=age, count=count, agent=agent, **ends)]
    if any(given is not None for given in (age, count, agent, status)):
        raise BadOption("give MODULE:APP, whose own rules are applied, or --age and the like: not both")
    rules = load(place).retention
    if not rules:
        raise BadOption(
            f"{place} has no rules: write App(…, retention=[Retention(age='30d')]), or give --age or --count"
        )
    return rules


async def _prune(
    rules: Sequence[Retention], store: str | None, app: str | None, *, yes: bool, dry_run: bool, as_json: bool
) -> int:
    async with client_of(store, app) as client:
        found = await client.outlived(rules)
        said = (
            f"{len(found)} {'run, with its' if len(found) == 1 else 'runs, with their'} descendants, need not be kept"
        )
        if dry_run:
            first = found[:FIRST]
            document({"dry_run": True, "matched": len(found), "first": first}) if as_json else would_be(
                said, first, len(found)
            )
            return Exit.OK
        if found and not confirmed(said, yes=yes, as_json=as_json):
            return Exit.INTERRUPTED
        deleted = await client.prune(rules)
    document({"deleted": deleted}) if as_json else say(f"{deleted} {'run is' if deleted == 1 else 'runs are'} deleted")
    return Exit.OK
