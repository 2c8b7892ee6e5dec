"""A parent of many children is replayed a handful of times: when all have ended, or per chunk when it streams."""

from __future__ import annotations

import asyncio

from holdfast import App, Call, Context

CHILDREN = 400


async def activations(app: App, call: Call[int]) -> int:
    """How often the run of a parent comes into memory that leaves it whenever it waits."""
    async with app.test(always_suspend=True) as t:
        run = await t.start(call)
        assert await run.result() == sum(range(CHILDREN))
        return len(await t.activations(run.id))


async def test_one_that_awaits_them_all(app: App) -> None:
    @app.agent
    async def child(ctx: Context, n: int) -> int:
        await asyncio.sleep(60 + n / 100)
        return n

    @app.agent
    async def parent(ctx: Context) -> int:
        return sum(await ctx.map(child, range(CHILDREN), key=str, concurrency=CHILDREN))

    assert await activations(app, parent()) <= 3


async def test_one_that_takes_them_as_they_come(app: App) -> None:
    @app.agent
    async def child(ctx: Context, n: int) -> int:
        await asyncio.sleep(60 + n / 100)
        return n

    @app.agent
    async def parent(ctx: Context) -> int:
        total = 0
        async for _, value in ctx.map(child, range(CHILDREN), key=str, concurrency=CHILDREN):
            total += value
        return total

    assert await activations(app, parent()) <= 25


async def test_one_that_takes_them_as_they_come_does_not_wait_long_for_a_chunk(app: App) -> None:
    @app.agent
    async def child(ctx: Context, n: int) -> int:
        await asyncio.sleep(60 + 86_400 * n)
        return n

    @app.agent
    async def parent(ctx: Context) -> float:
        began = ctx.now()
        async for _ in ctx.map(child, range(50), key=str, concurrency=50):
            return (ctx.now() - began).total_seconds()
        return 0

    async with app.test(always_suspend=True) as t:
        assert 60 <= await (await t.start(parent())).result() <= 61
