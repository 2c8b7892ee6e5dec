"""Chance, changes, continuing; and everything at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from holdfast import (
    Context,
)
from tests.kernel.replay.bodies.house import (
    Trace,
    app,
    case,
    cases,
    napping,
    pay,
    resolving,
    since,
    work,
    wrapped,
)
from tests.kernel.replay.world import Case


@case()
async def chance(ctx: Context) -> Trace:
    trace: Trace = []

    async def one(seconds: float) -> None:
        await ctx.step(work, str(seconds), seconds)
        trace.append((ctx.random.randrange(10**9), str(ctx.uuid()), ctx.now().isoformat()))

    trace.append((ctx.random.random(), str(ctx.uuid()), ctx.now().isoformat()))
    await asyncio.gather(one(1.4), one(0.3), one(2.2))
    items = list(range(10))
    ctx.random.shuffle(items)
    await asyncio.sleep(1.5)
    return [*trace, items, ctx.random.gauss(), str(ctx.now() + timedelta(days=1)), str(ctx.uuid())]


@case()
async def changes(ctx: Context) -> Trace:
    trace: Trace = []
    for i in range(3):
        trace.append(ctx.changed("pay"))
        trace.append(await pay(str(i), i))
    trace.append(ctx.changed("other"))
    await asyncio.sleep(1)
    ctx.progress(1, 2, "half")
    trace += [ctx.changed("other"), await ctx.step(work, "end")]
    return trace


@app.agent
async def laps(ctx: Context, lap: int, seen: Trace) -> Trace:
    seen = [*seen, [lap, await ctx.step(work, f"lap {lap}", 0.7), since(ctx), ctx.random.random(), str(ctx.uuid())]]
    await asyncio.sleep(1.1 + lap)
    gate = ctx.promise("gate", str)
    if lap == 2:
        seen.append(await gate)
    await ctx.start(napping(50.0))
    if lap < 3:
        await ctx.continue_as(laps(lap + 1, seen))
    return seen


cases["laps"] = Case(call=lambda: laps(0, []), acts=(resolving(2.2, "gate", "open"),))


@case(resolving(30.5, "go", "gone"))
async def everything(ctx: Context) -> Trace:
    """Tasks, queues, timers, promises, children and a map that race each other."""
    trace: Trace = []
    queue: asyncio.Queue[str] = asyncio.Queue()

    async def branch(value: float) -> str:
        await asyncio.sleep(value)
        return await ctx.step(work, f"branch {value}", value)

    async def mapping() -> None:
        async for item, result in ctx.map(branch, [2.7, 1.2, 0.8, 3.9], key=str, concurrency=2):
            await queue.put(f"{item} {result}")

    async def nursing() -> None:
        for seconds in (1.9, 0.65):
            await queue.put(str(await napping(seconds)))

    async def ticking() -> None:
        while True:
            await asyncio.sleep(1.01)
            trace.append(f"tick {since(ctx)}")

    ticker = asyncio.create_task(ticking())
    async with asyncio.TaskGroup() as group:
        group.create_task(mapping())
        group.create_task(nursing())
        trace += [await queue.get() for _ in range(6)]
    ticker.cancel()
    go = ctx.promise("go", str)
    done, _ = await asyncio.wait(
        [asyncio.create_task(wrapped(go)), asyncio.create_task(asyncio.sleep(90))], return_when="FIRST_COMPLETED"
    )
    trace += [[task.result() for task in done], since(ctx)]
    return trace
