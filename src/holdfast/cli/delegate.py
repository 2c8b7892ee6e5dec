"""``holdfast inbox delegate``: handing on what is asked, and approving in advance within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from holdfast.approvals.case import Case
from holdfast.approvals.routing import people, spoken
from holdfast.approvals.standing import Standing
from holdfast.cli import cases, options
from holdfast.cli.output import document, say, table
from holdfast.cli.seat import By, seat_at
from holdfast.clock import SECOND, SystemClock, micros, to_datetime
from holdfast.console import harmless
from holdfast.errors import BadOption

_Limits = Annotated[
    list[str] | None, typer.Option("--at-most", metavar="NAME=N", help="Of each call at the most: amount=100.")
]


def delegate(
    approval_id: Annotated[str | None, typer.Argument(metavar="[APPROVAL]", help="What to hand on.")] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="WHOM",
            help="To this person, or role:…; repeatable. Standing: what is asked of them.",
        ),
    ] = None,
    why: Annotated[str, typer.Option(help="A note.")] = "",
    standing: Annotated[
        str | None, typer.Option(metavar="TOOL", help="Approve calls of this tool in advance, within limits.")
    ] = None,
    agent: Annotated[list[str] | None, typer.Option(help="Standing: only calls of this agent; repeatable.")] = None,
    at_most: _Limits = None,
    total: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="Standing: the sum in each period at the most.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Standing: so many calls in each period.")] = None,
    per: Annotated[str | None, typer.Option(metavar="AGE", help="Standing: a period: 1d. Else it is one.")] = None,
    lasts: Annotated[str | None, typer.Option(metavar="AGE", help="Standing: until it expires: 30d.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List standing approvals.")] = False,
    revoke: Annotated[str | None, typer.Option(metavar="STANDING", help="End a standing approval now.")] = None,
    by: By = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Hand on what you are asked: `delegate APPROVAL --to WHOM`. Or approve in advance: `delegate --standing TOOL`.

    Standing approvals are listed with --list and end with --revoke.
    """
    if [approval_id is not None, standing is not None, listed, revoke is not None].count(True) != 1:
        raise BadOption("give an approval to hand on, --standing TOOL, --list, or --revoke STANDING: one of the four")
    if approval_id is not None:
        case = asyncio.run(_reassign(approval_id, people(to or ()), why, by, store, app))
        document(cases.as_json(case)) if as_json else say(f"{case.id} is asked of {harmless(spoken(case.to))} now")
    elif standing is not None:
        if lasts is None and count is None and not at_most and not total:
            raise BadOption("without a limit every call is approved for ever: --at-most, --total, --count or --lasts")
        made = Standing(
            tool=standing, agents=tuple(agent or ()), to=people(to or ()), at_most=_amounts("--at-most", at_most),
            total=_amounts("--total", total), count=count, why=why,
            per=None if per is None else max(1, micros(per) // SECOND),
            expires_at=None if lasts is None else to_datetime(SystemClock().now() + micros(lasts)),
        )  # fmt: skip
        _tell_standing([asyncio.run(_grant(made, by, store, app))], as_json=as_json, one=True)
    elif listed:
        _tell_standing(asyncio.run(_standing(by, store, app)), as_json=as_json)
    else:
        asyncio.run(_revoke(str(revoke), by, store, app))
        document({"revoked": revoke}) if as_json else say(f"standing approval {revoke} is revoked")


def _tell_standing(found: Sequence[Standing], *, as_json: bool, one: bool = False) -> None:
    if as_json:
        shown = [cases.as_json(each) for each in found]
        document(shown[0] if one else {"standing": shown})
    else:
        table(cases.STANDING_HEADERS, map(cases.standing_row, found))


def _amounts(option: str, given: Sequence[str] | None) -> dict[str, Decimal]:
    amounts = {}
    for one in given or ():
        name, equals, text = one.partition("=")
        try:
            amounts[name] = Decimal(text)
        except InvalidOperation:
            equals = ""
        if not equals or not name or not amounts[name].is_finite():
            raise BadOption(f"{option} {one!r}: write NAME=N, such as amount=100")
    return amounts


async def _reassign(
    approval_id: str, to: Sequence[str], why: str, by: str | None, store: str | None, app: str | None
) -> Case:  # fmt: skip
    async with seat_at(store, app, by) as seat:
        return await seat.desk.reassign(seat.who, approval_id, to, why=why)


async def _grant(made: Standing, by: str | None, store: str | None, app: str | None) -> Standing:
    async with seat_at(store, app, by) as seat:
        return await seat.desk.grant(seat.who, made)


async def _standing(by: str | None, store: str | None, app: str | None) -> list[Standing]:
    async with seat_at(store, app, by) as seat:
        return await seat.desk.standing(seat.who)


async def _revoke(standing_id: str, by: str | None, store: str | None, app: str | None) -> None:
    async with seat_at(store, app, by) as seat:
        await seat.desk.revoke(seat.who, standing_id)
