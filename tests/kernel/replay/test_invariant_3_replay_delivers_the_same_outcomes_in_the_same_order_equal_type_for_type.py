"""Invariant 3: replay delivers the same outcomes in the same order, equal type for type.

That the order is the same for every construct of asyncio, wherever a run is cut, is shown in
``test_cut_after_every_entry.py``; here are the types, and an order that only the journal knows.
"""

from __future__ import annotations

import asyncio
import enum
import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel

from holdfast import ChildFailed, Context, PromiseFailed, StepFailed
from tests.kernel.replay.bodies import Trace, app, plain, since, work
from tests.kernel.replay.cutting import Places, continued, cut_everywhere, cuts, undisturbed
from tests.kernel.replay.world import ROOT, Act, Case, World


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True)
class Claim:
    id: int
    amounts: tuple[Decimal, ...]
    at: datetime | None = None


class Policy(BaseModel):
    name: str
    claims: list[Claim]
    colour: Colour = Colour.RED


class Point(NamedTuple):
    x: float
    y: float


WHEN = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


async def a_decimal() -> Decimal:
    return Decimal("90.10")


async def a_tuple() -> tuple[int, str, bytes]:
    return 1, "two", b"\x00\xff"


async def sets() -> tuple[set[int], frozenset[str]]:
    return {3, 1, 2}, frozenset({"a"})


async def times() -> tuple[datetime, date, time, timedelta]:
    return WHEN, WHEN.date(), WHEN.time(), timedelta(days=3, microseconds=1)


async def floats() -> list[float]:
    return [0.1 + 0.2, 1e300, math.nan, math.inf, -0.0, 5.0]


async def a_claim() -> Claim:
    return Claim(7, (Decimal("1.50"), Decimal("2")), WHEN)


async def a_policy() -> Policy:
    return Policy(name="p", claims=[Claim(1, ())])


async def things() -> dict[Colour, tuple[UUID, PurePosixPath, Point]]:
    return {Colour.RED: (UUID(int=5), PurePosixPath("/a/b"), Point(1.0, 2.5))}


async def nothing() -> None:
    return None


async def either(which: int) -> int | str | bool | None:
    return (5, "5", True, None)[which]


TYPES = (a_decimal, a_tuple, sets, times, floats, a_claim, a_policy, things, nothing)


@app.tool
async def claim_of(policy: Policy, colour: Colour) -> dict[Colour, list[Claim]]:
    return {colour: policy.claims}


@app.agent
async def raising(ctx: Context, claim: Claim) -> Policy:
    raise LookupError(f"{claim!r}")


@app.agent
async def returning(ctx: Context, claim: Claim) -> tuple[Claim, Colour]:
    return claim, Colour.RED


def shown(value: object) -> list[Any]:
    """A value and its types, all the way in."""
    if isinstance(value, dict):
        return ["dict", [[shown(key), shown(one)] for key, one in value.items()]]
    if isinstance(value, set | frozenset):
        return [type(value).__name__, sorted((shown(one) for one in value), key=repr)]
    if isinstance(value, list | tuple):
        return [type(value).__name__, [shown(one) for one in value]]
    if isinstance(value, Claim | Policy):
        fields = value.__dict__.items()
        return [type(value).__name__, [[name, shown(one)] for name, one in fields]]
    if isinstance(value, datetime):  # its zone is of pydantic's making, equal and with another repr
        return ["datetime", value.isoformat(), str(value.utcoffset())]
    return [type(value).__name__, repr(value)]


@app.agent
async def typed(ctx: Context) -> list[Any]:
    trace: Trace = []
    for step in TYPES:
        trace.append(shown(await ctx.step(step)))
    trace += [shown(await ctx.step(either, which)) for which in range(4)]
    policy = await ctx.step(a_policy)
    trace.append(shown(await claim_of(policy, Colour.RED)))
    trace.append(shown(await returning(policy.claims[0])))
    trace.append(shown(list(await ctx.map(either, range(4), key=str))))
    trace.append(shown(list(await ctx.map(returning, policy.claims, key=lambda claim: str(claim.id)))))
    trace.append(shown(await ctx.promise("claim", Claim)))
    for failing in (lambda: ctx.step(fails), lambda: raising(policy.claims[0]), lambda: ctx.promise("policy", Policy)):
        try:
            await failing()
        except (StepFailed, ChildFailed, PromiseFailed) as error:
            trace.append([shown(error), error.type_name, error.message, len(error.traceback_text) > 0])
    try:
        await ctx.step(fails).using(raises=[ZeroDivisionError])
    except ZeroDivisionError as error:
        trace.append(shown(error))
    return trace


async def fails() -> float:
    return 1 / 0


TYPED = Case(
    call=typed,
    others=("raising", "returning"),
    acts=(
        Act(at=1, do=lambda client: client.resolve(f"{ROOT}/claim", Claim(9, (Decimal(3),), WHEN))),
        Act(at=2, do=lambda client: client.fail(f"{ROOT}/policy", "there is none")),
    ),
)


def test_values_and_failures_have_the_same_types_live_and_wherever_the_run_is_cut(places: Places) -> None:
    story = cut_everywhere(app, places, TYPED)
    status, value = story.account.results[ROOT]
    assert status == "succeeded"
    live = [shown(asyncio.run(step())) for step in TYPES] + [shown(asyncio.run(either(which))) for which in range(4)]
    assert json.loads(value)[: len(live)] == live
    assert asyncio.run(undisturbed(app, places, TYPED, linger=0.0)).account == story.account


@app.agent
async def racing(ctx: Context) -> list[Any]:
    """Ten racers; who wins is decided by what the journal says, nothing else."""
    trace: Trace = []

    async def run(name: int) -> None:
        for lap in range(3):
            trace.append((name, lap, await ctx.step(work, f"{name}", World.current.laps[name, lap]), since(ctx)))  # type: ignore[attr-defined]

    await asyncio.gather(*(run(name) for name in range(10)))
    return plain(trace)


def test_an_order_that_only_the_journal_knows_is_kept(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the cut the world has turned round, and the slow are quick: what is recorded does not care."""
    forth = {(name, lap): 1 + name * 0.137 + lap * 0.0113 for name in range(10) for lap in range(3)}

    async def turned() -> None:
        monkeypatch.setattr(World, "laps", forth, raising=False)
        first = await undisturbed(app, places, Case(call=racing))
        monkeypatch.setattr(World, "laps", {key: 5 - seconds for key, seconds in forth.items()})
        told = json.loads(first.account.results[ROOT][1])
        for recorded, cut in enumerate(list(cuts(first.log))[:-1]):
            again = json.loads((await continued(app, places, first, cut, anew=True)).account.results[ROOT][1])
            assert again[:recorded] == told[:recorded]
            assert len(again) == len(told) == 30
            assert (again == told) == (recorded >= 30)  # and the rest did come in another order

    asyncio.run(turned())
