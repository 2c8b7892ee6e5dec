"""``holdfast runs fork``: runs that begin with a part of another's journal."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from holdfast.cli.bulk import Chosen, takes_runs
from holdfast.cli.codes import Exit
from holdfast.cli.inputs import read
from holdfast.cli.output import document, say
from holdfast.cli.stores import client_of
from holdfast.console import harmless
from holdfast.durable.forking import ForkPlan
from holdfast.errors import BadOption

_SHOWN = 20  # calls of a plan


@takes_runs
def fork(
    chosen: Chosen,
    at: Annotated[
        str,
        typer.Option(
            metavar="N|CALL",
            help="The number of the last journal entry to keep (0: none), or a call, by its key or function's name.",
        ),
    ],
    outcome: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE|-", help="Another outcome for the call at --at.")
    ] = None,
    failure: Annotated[str | None, typer.Option(metavar="TEXT", help="Or let it have failed, so.")] = None,
    new_key: Annotated[str | None, typer.Option(metavar="KEY", help="An idempotency key for the fork.")] = None,
    keep_keys: Annotated[
        bool, typer.Option("--keep-keys", help="Give its effects the same idempotency keys, not new ones.")
    ] = False,
    to: Annotated[str | None, typer.Option(metavar="VERSION", help="Of the agent; else the same.")] = None,
    add: Annotated[
        list[str] | None, typer.Option("--add", metavar="TAG", help="A tag of the fork; may be repeated.")
    ] = None,
) -> int:
    """Start runs that begin with a part of others' journals, and go their own way from there.

    A fork keeps what is recorded up to --at, and makes all later calls again; promises and approvals are asked for
    again. With a call, that is the first that is made again; with --outcome or --failure it is the last that is kept,
    but came out so. The originals are not touched. Prints the new ids.
    """
    if outcome is not None and failure is not None:
        raise BadOption("a call came out with --outcome or with --failure, not both")
    place = int(at) if re.fullmatch(r"-?\d+", at) else at
    how: dict[str, Any] = {"keep_keys": keep_keys, "version": to, "tags": add or (), "error": failure}
    if outcome is not None:
        how["outcome"] = read(outcome, "--outcome")
    if len(chosen.ids) == 1:
        return asyncio.run(_fork(chosen, chosen.ids[0], place, how | {"key": new_key}))
    if new_key is not None:
        raise BadOption("--new-key is for the fork of one run: a key belongs to one")
    return chosen.each(lambda runs: runs.fork(at=place, **how), are="forked")


async def _fork(chosen: Chosen, run_id: str, at: int | str, how: dict[str, Any]) -> int:
    async with client_of(chosen.store, chosen.app) as client:
        plan = await client.plan_fork(run_id, at=at, edited="outcome" in how or how["error"] is not None)
        if not chosen.as_json:
            for line in _said(run_id, plan):
                print(line, file=sys.stdout if chosen.dry_run else sys.stderr)
        made = None if chosen.dry_run else (await client.fork(run_id, at=at, **how)).id
    if chosen.as_json:
        document({"origin": run_id, "run": made, "dry_run": chosen.dry_run} | asdict(plan))
    elif made is not None:
        say(made)
    return Exit.OK


def _said(run_id: str, plan: ForkPlan) -> list[str]:
    lines = [
        f"a fork of run {run_id} at entry {plan.at}",
        f"  keeps       {_calls(plan.kept)}",
        f"  changes     {plan.changed}" if plan.changed is not None else "",
        f"  makes again {_calls(plan.again)}, and whatever its code asks for then",
    ]
    return [harmless(line) for line in lines if line]


def _calls(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:_SHOWN])
    return f"{shown} … ({len(keys)} calls)" if len(keys) > _SHOWN else shown or "no call"
