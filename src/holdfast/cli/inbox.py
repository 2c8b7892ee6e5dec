"""``holdfast inbox list | show | why``: looking at what is asked of people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from holdfast.approvals.case import Audited, Case, CaseContext
from holdfast.cli import cases, options
from holdfast.cli.choosing import Query, takes_query
from holdfast.cli.output import document, table
from holdfast.cli.seat import ApprovalId, By, seat_at

Entries = Annotated[int, typer.Option(min=0, max=1000, help="How many entries of the journal.")]


@takes_query
def list_cases(
    query: Query,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the riskiest first.")] = 100,
    by: By = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """List what you are asked: the riskiest first, of these the oldest first."""
    found = asyncio.run(_find(query, limit, by, store, app))
    if as_json:
        document({"approvals": [cases.as_json(case) for case in found]})
    else:
        table(cases.HEADERS, map(cases.row, found))


def show(
    approval_id: ApprovalId,
    entries: Entries = 10,
    by: By = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Show one, and what surrounds it: what the agent did so far, its files, what else it waits for."""
    context = asyncio.run(_context(approval_id, entries, by, store, app))
    document(cases.as_json(context)) if as_json else cases.tell_context(context)


def why(
    approval_id: ApprovalId,
    by: By = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Show its audit trail: who was asked and shown what, who decided, and who tried."""
    trail = asyncio.run(_trail(approval_id, by, store, app))
    document({"entries": [cases.as_json(one) for one in trail]}) if as_json else cases.tell_trail(trail)


async def _find(query: Query, limit: int, by: str | None, store: str | None, app: str | None) -> list[Case]:
    async with seat_at(store, app, by) as seat:
        return await query.find(seat, limit)


async def _context(approval_id: str, entries: int, by: str | None, store: str | None, app: str | None) -> CaseContext:
    async with seat_at(store, app, by) as seat:
        return await seat.desk.context(seat.who, approval_id, entries=entries)


async def _trail(approval_id: str, by: str | None, store: str | None, app: str | None) -> Sequence[Audited]:
    async with seat_at(store, app, by) as seat:
        return await seat.desk.why(seat.who, approval_id)
