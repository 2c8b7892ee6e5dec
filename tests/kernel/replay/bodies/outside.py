"""What others do: promises and children."""

from __future__ import annotations

import asyncio
from typing import Any

from holdfast import (
    ChildCancelled,
    ChildFailed,
    Context,
    PromiseFailed,
)
from tests.kernel.replay.bodies.house import (
    Trace,
    case,
    napping,
    resolving,
    since,
    sinking,
    work,
    wrapped,
)
from tests.kernel.replay.world import ROOT, Act


@case(
    resolving(1.5, "early", {"paid": True}),
    resolving(3.5, "late", 7),
    Act(at=5.5, do=lambda client: client.fail(f"{ROOT}/failed", "no money")),
    resolving(8.5, "raced", [1, 2]),
    resolving(9.1, "forgotten", "nobody waits"),
    resolving(12.5, "too late", 1),
)
async def promises(ctx: Context) -> Trace:
    trace: Trace = []
    late = ctx.promise("late", int)
    trace.append(await ctx.step(work, late.id, 2))
    early = ctx.promise("early", dict[str, bool])
    trace += [await early, await early, since(ctx)]
    trace += [await asyncio.gather(late, waiting_twice(late), ctx.step(work, "beside", 4)), since(ctx)]
    try:
        await ctx.promise("failed", str)
    except PromiseFailed as error:
        trace.append((str(error), since(ctx)))
    done, _ = await asyncio.wait(
        [asyncio.ensure_future(wrapped(ctx.promise("raced", list[int]))), asyncio.ensure_future(asyncio.sleep(50))],
        return_when=asyncio.FIRST_COMPLETED,
    )
    trace += [[task.result() for task in done], since(ctx)]
    try:
        await asyncio.wait_for(wrapped(ctx.promise("too late", int)), 1)
    except TimeoutError:
        trace.append(since(ctx))
    ctx.promise("never", int)
    await asyncio.sleep(5)
    trace += [await ctx.promise("too late", int), since(ctx)]
    return trace


async def waiting_twice(promise: Any) -> Any:
    return [await promise, await promise]


@case()
async def children(ctx: Context) -> Trace:
    trace: Trace = []
    trace.append(await asyncio.gather(napping(1.1), napping(0.6), napping(2.3)))
    first, second = await ctx.start(napping(3.3)), await ctx.start(napping(1.7), key="own")
    trace += [first.id, second.id, await ctx.step(work, "meanwhile", 2.9)]
    trace += [await second.result(), await first.result(), await first.result(), since(ctx)]
    try:
        await sinking(0.9)
    except ChildFailed as error:
        trace.append((str(error), since(ctx)))
    try:
        await asyncio.wait_for(napping(30.0), 1.2)
    except TimeoutError:
        trace.append(since(ctx))
    try:
        await napping(40.0).using(timeout="3s")
    except ChildFailed as error:
        trace.append((error.type_name, since(ctx)))
    third = await ctx.start(napping(60.0))
    try:
        await third.result(timeout="2s")
    except TimeoutError:
        await third.cancel()
    try:
        await third.result()
    except ChildCancelled as error:
        trace.append((str(error), since(ctx)))
    detached = await ctx.start(napping(20.0), detached=True)
    await ctx.start(napping(70.0))  # ends with its parent
    return [*trace, detached.id, since(ctx)]


@case()
async def child_groups(ctx: Context) -> Trace:
    trace: Trace = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(napping(1.9))
            group.create_task(napping(8.7))
            group.create_task(sinking(3.3))
    except* ChildFailed as failed:
        trace += [[str(error) for error in failed.exceptions], since(ctx)]
    pending = {asyncio.create_task(napping(seconds)) for seconds in (2.4, 0.8, 1.5)}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        trace.append(([task.result() for task in done], since(ctx)))
    return trace
