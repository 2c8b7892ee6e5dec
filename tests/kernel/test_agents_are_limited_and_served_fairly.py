"""Limits of agents hold over all workers; no agent starves; a higher priority goes first."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import App, BadOption, Context, Settings
from holdfast.clock import SECOND
from tests.kernel.making import World


async def test_no_more_runs_begin_in_a_time_than_the_rate_says(app: App) -> None:
    @app.agent(rate="3/1m")
    async def limited(ctx: Context) -> int:
        return int(ctx.now().timestamp())

    async with app.test() as t:
        runs = [await t.start(limited()) for _ in range(8)]
        times = sorted([await run.result() for run in runs])
    assert [time - times[0] for time in times] == [0, 0, 0, 60, 60, 60, 120, 120]


async def test_a_rate_holds_back_beginnings_only(app: App) -> None:
    @app.agent(rate="1/1h")
    async def limited(ctx: Context) -> str:
        for _ in range(3):
            await asyncio.sleep(60)
        return "done"

    async with app.test() as t:
        began = t.clock.now()
        run = await t.start(limited())
        await run.result()
        assert t.clock.now() - began < 200 * SECOND


async def test_no_more_runs_are_in_memory_than_the_limit_says(app: App, world: World) -> None:
    at_work: set[int] = set()
    most, met = 0, asyncio.Event()

    async def work(n: int) -> None:
        nonlocal most
        at_work.add(n)
        most = max(most, len(at_work))
        if most == 2:
            met.set()
        await met.wait()  # two are let in together, however long that takes
        await asyncio.sleep(0.005)
        at_work.discard(n)

    @app.agent(limit=2)
    async def limited(ctx: Context, n: int) -> None:
        await ctx.step(work, n)
        await ctx.step(work, n)

    async with app.test() as t:
        runs = [await t.start(limited(n)) for n in range(8)]
        for run in runs:
            await run.result()
    assert most == 2


async def test_a_limited_agent_that_awaits_itself_does_not_stand_in_its_own_way(app: App) -> None:
    @app.agent(limit=1)
    async def factorial(ctx: Context, n: int) -> int:
        return n * await factorial(n - 1) if n > 1 else 1

    async with app.test() as t:
        assert await (await t.start(factorial(4))).result() == 24


async def test_agents_take_turns_even_for_a_single_place(app: App, world: World, url: str) -> None:
    @app.agent
    async def busy(ctx: Context, n: int) -> None:
        await ctx.step(world.do, "busy")

    @app.agent
    async def rare(ctx: Context, n: int) -> None:
        await ctx.step(world.also, "rare")

    async with app.connect(url) as client:  # nobody works while they are started
        runs = await client.start_all([busy(n) for n in range(12)])
        runs += await client.start_all([rare(n) for n in range(4)])
    async with app.test(store=url, settings=Settings(concurrency=1)) as t:
        for run in runs:
            await (await t.get(run.id)).result()
    assert world.done == ["busy", "rare"] * 4 + ["busy"] * 8


async def test_a_higher_priority_goes_first(app: App, world: World, url: str) -> None:
    @app.agent
    async def note(ctx: Context, what: str) -> None:
        await ctx.step(world.do, what)

    async with app.connect(url) as client:
        runs = [await client.start(note(f"p{priority}"), priority=priority) for priority in (0, 5, -3, 9)]
    async with app.test(store=url, settings=Settings(concurrency=1)) as t:
        for run in runs:
            await (await t.get(run.id)).result()
    assert world.done == ["p9", "p5", "p0", "p-3"]


@pytest.mark.parametrize("rate", ["10", "10/", "/1m", "0/1m", "1/0s", "ten/1m", "1/1 fortnight", 7])
def test_a_rate_says_how_many_in_which_time(app: App, rate: str) -> None:
    with pytest.raises(BadOption):
        app.agent(rate=rate)(_nothing)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "3"])
def test_a_limit_is_a_number_of_runs(app: App, limit: int) -> None:
    with pytest.raises(BadOption, match="limit"):
        app.agent(limit=limit)(_nothing)


def test_limits_are_said_once_or_alike(app: App) -> None:
    app.agent(name="one", version="1", limit=3)(_nothing)
    app.agent(name="one", version="2")(_nothing)
    app.agent(name="one", version="3", limit=3)(_nothing)
    with pytest.raises(BadOption, match="other limits"):
        app.agent(name="one", version="4", limit=4)(_nothing)


async def _nothing(ctx: Context) -> None: ...
