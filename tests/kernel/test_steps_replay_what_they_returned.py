"""A step runs once; what it returned comes out of the journal ever after, equal, type for type."""

from __future__ import annotations

import asyncio
import math
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from holdfast import App, Context
from tests.kernel.making import World, result


class Colour(Enum):
    RED = "red"


class Word(StrEnum):
    YES = "yes"


@dataclass(frozen=True)
class Point:
    x: int
    y: float


class Pair(NamedTuple):
    left: int
    right: str


class Line(BaseModel):
    price: Decimal
    tags: set[str] = set()


class Order(BaseModel):
    id: str = Field(alias="orderId")
    lines: list[Line]
    note: bytes = b""
    model_config = {"populate_by_name": True}


VALUES: list[tuple[Any, Any]] = [
    (None, None),
    (bool, True),
    (int, 2**70),
    (float, 1.0),
    (float, -0.0),
    (float, math.inf),
    (float, math.nan),
    (str, "naïve \0 \U0001f600"),
    (bytes, b"\xff\0\x80"),
    (Decimal, Decimal("1.10")),
    (datetime, datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC)),
    (date, date(2026, 11, 23)),
    (timedelta, timedelta(days=-1, microseconds=7)),
    (UUID, UUID(int=7)),
    (PurePosixPath, PurePosixPath("/a/b")),
    (Colour, Colour.RED),
    (Word, Word.YES),
    (list[float], [1.0, 2.0]),
    (tuple[int, ...], (1, 2, 3)),
    (set[int], {3, 1, 2}),
    (frozenset[int], frozenset({2, 1})),
    (dict[int, list[Decimal]], {1: [Decimal("0.1")], 2: []}),
    (Point, Point(1, 2.0)),
    (Pair, Pair(1, "r")),
    (Order, Order(orderId="o-1", lines=[Line(price=Decimal("9.90"), tags={"b", "a"})], note=b"\xfe")),
    (Point | Pair, Point(1, 2.0)),
    (dict[str, Any], {"a": [1, 2.5, None, {"b": True}]}),
]


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or repr(one) == repr(other))


@pytest.mark.parametrize(("annotation", "value"), VALUES, ids=lambda given: repr(given)[:40])
async def test_a_result_is_equal_live_and_replayed_type_for_type(app: App, annotation: Any, value: Any) -> None:
    seen: list[Any] = []  # a body must not do this; a test may, to look into each activation

    async def make() -> Any:
        return value

    @app.agent
    async def body(ctx: Context) -> None:
        seen.append(await ctx.step(make).using(returns=annotation))
        await asyncio.sleep(86_400)

    await result(app, body(), always_suspend=True)
    assert len(seen) >= 2, "seen live and replayed"
    assert all(same(one, value) for one in seen)


async def test_what_the_step_did_to_its_result_later_is_not_seen(app: App) -> None:
    kept: list[list[int]] = []

    async def make() -> list[int]:
        kept.append([1])
        return kept[-1]

    @app.agent
    async def body(ctx: Context) -> list[int]:
        got = await ctx.step(make)
        kept[-1].append(2)
        return got

    assert await result(app, body()) == [1]


async def test_a_recorded_step_never_runs_again(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> list[str]:
        got = []
        for n in range(3):
            got.append(await ctx.step(world.do, f"async {n}"))
            got.append(await ctx.step(world.work, f"sync {n}"))
            await asyncio.sleep(3600)
        return got

    async with app.test(always_suspend=True) as t:
        t.crash_at("committed", nth=4)
        got = await (await t.start(body())).result()
        assert t.crashes == 1
    assert world.done == got == ["async 0", "sync 0", "async 1", "sync 1", "async 2", "sync 2"]


async def test_an_effect_whose_record_was_lost_runs_again_at_least_once(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(world.do, "it")

    async with app.test() as t:
        t.crash_at("effect-ended")
        assert await (await t.start(body())).result() == "it"
    assert world.done == ["it", "it"]


async def test_sync_steps_run_in_threads_beside_each_other(app: App) -> None:
    together = threading.Barrier(3)

    def meet(n: int) -> str:
        together.wait(timeout=60)
        return threading.current_thread().name

    @app.agent
    async def body(ctx: Context) -> list[str]:
        return list(await asyncio.gather(*(ctx.step(meet, n) for n in range(3))))

    names = await result(app, body())
    assert len(set(names)) == 3 and threading.main_thread().name not in names


async def test_async_steps_run_beside_each_other_on_the_real_loop(app: App) -> None:
    loops: set[int] = set()
    here = asyncio.get_running_loop()
    arrived = asyncio.Semaphore(0)

    async def meet(n: int) -> int:
        loops.add(id(asyncio.get_running_loop()))
        arrived.release()
        while arrived._value < 3:  # noqa: ASYNC110  # all three turn the same loop
            await asyncio.sleep(0)
        return n

    @app.agent
    async def body(ctx: Context) -> list[int]:
        return list(await asyncio.gather(*(ctx.step(meet, n) for n in range(3))))

    assert await result(app, body()) == [0, 1, 2]
    assert loops == {id(here)}


async def test_keyword_arguments_and_defaults_reach_the_function(app: App) -> None:
    async def fetch(url: str, *parts: str, timeout: float = 5, **headers: str) -> list[Any]:
        return [url, list(parts), timeout, headers]

    @app.agent
    async def body(ctx: Context) -> list[Any]:
        return [await ctx.step(fetch, "u"), await ctx.step(fetch, "u", "p", timeout=7, accept="json")]

    assert await result(app, body()) == [["u", [], 5, {}], ["u", ["p"], 7, {"accept": "json"}]]
