"""Time, and many things at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from holdfast import (
    Context,
    StepFailed,
)
from tests.kernel.replay.bodies.house import (
    Trace,
    broken,
    case,
    number,
    since,
    work,
)


@case()
async def sleeping(ctx: Context) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    for seconds in (1, 0, 86_400 * 3, 0.25):
        trace += [await asyncio.sleep(seconds, result=f"slept {seconds}"), since(ctx), loop.time()]
    trace.append(await ctx.step(work, "after"))
    await ctx.sleep_until(datetime(2027, 3, 1, tzinfo=UTC))
    trace += [ctx.now().isoformat(), await ctx.step(work, "later"), since(ctx)]
    return trace


@case()
async def timeouts(ctx: Context) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(2):
            trace.append(await ctx.step(work, "quick", 1.5))
            trace.append(await ctx.step(work, "slow", 3))
    except TimeoutError:
        trace.append(f"too slow at {since(ctx)}")
    try:
        async with asyncio.timeout_at(loop.time() + 1.1) as limit:
            limit.reschedule(loop.time() + 2.1)
            trace.append(await ctx.step(work, "rescheduled", 2))
    except TimeoutError:
        trace.append("not reached")
    trace.append(limit.expired())
    try:
        async with asyncio.timeout(5):
            try:
                async with asyncio.timeout(0.3):
                    await asyncio.sleep(1)
            except TimeoutError:
                trace.append(f"inner at {since(ctx)}")
            await asyncio.sleep(10)
    except TimeoutError:
        trace.append(f"outer at {since(ctx)}")
    trace.append(await asyncio.wait_for(ctx.step(work, "in time", 0.4), 1))
    try:
        await asyncio.wait_for(ctx.step(work, "never", 50), 0.6)
    except TimeoutError:
        trace.append(f"gave up at {since(ctx)}")
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(3), 0)
    trace += [await ctx.step(work, "end", 0.1), since(ctx)]
    return trace


@case()
async def timers_due_together(ctx: Context) -> Trace:
    trace: Trace = []

    async def one(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        trace.append((name, since(ctx)))
        if name == "b":
            first.cancel()
        trace.append(await ctx.step(work, name, 0.1 * ord(name)))

    first = asyncio.ensure_future(one("c", 2))
    await asyncio.gather(one("a", 2), first, one("b", 2), one("d", 1), one("e", 2), return_exceptions=True)
    return [*trace, first.cancelled()]


@case()
async def gathering(ctx: Context) -> Trace:
    shared: Trace = []

    async def one(name: str, *seconds: float) -> str:
        for i, each in enumerate(seconds):
            shared.append((await ctx.step(work, f"{name}{i}", each), since(ctx)))
        return name

    async def bad() -> str:
        shared.append(await ctx.step(broken, "bad", 2.35))
        return "unreachable"

    results = await asyncio.gather(
        one("a", 1.1, 1.2, 1.3), one("b", 3.05), one("c", 0.2, 3.45), ctx.step(work, "d", 2.7)
    )
    both = await asyncio.gather(one("x", 1.0, 2.0), bad(), return_exceptions=True)
    try:
        await asyncio.gather(one("y", 1.0, 1.01, 1.02), bad(), one("z", 4.4))
    except StepFailed as error:
        shared.append((type(error).__name__, error.type_name, since(ctx)))
    await asyncio.sleep(7)  # the others have gone on
    return [shared, results, [repr(one) for one in both]]


@case()
async def task_groups(ctx: Context) -> Trace:
    trace: Trace = []

    async def one(name: str, seconds: float) -> str:
        try:
            trace.append(await ctx.step(work, name, seconds))
        except asyncio.CancelledError:
            trace.append(f"{name} was cancelled at {since(ctx)}")
            raise
        finally:
            trace.append(await ctx.step(work, f"{name} tidied", 0.01 * seconds))
        return name

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(name, seconds)) for name, seconds in (("a", 2.1), ("b", 1.3), ("c", 3.7))]
    trace.append([task.result() for task in tasks])
    try:
        async with asyncio.TaskGroup() as group:
            for name, seconds in (("d", 5.3), ("e", 0.9), ("f", 7.9), ("g", 4.1)):
                group.create_task(one(name, seconds))
            group.create_task(ctx.step(broken, "oops", 2.2))
            trace.append(await ctx.step(work, "in the group itself", 6))
    except* StepFailed as failed:
        trace.append([str(error) for error in failed.exceptions])
    return [*trace, since(ctx)]


@case()
async def waiting(ctx: Context) -> Trace:
    trace: Trace = []

    async def one(name: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return await ctx.step(work, name, seconds)

    async def bad(seconds: float) -> str:
        return await ctx.step(broken, "bad", seconds)

    pending = {
        asyncio.create_task(one(name, seconds)) for name, seconds in (("a", 1.5), ("b", 0.5), ("c", 2.5), ("d", 1))
    }
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        trace.append(([task.result() for task in done], len(pending), since(ctx)))
    tasks = [asyncio.create_task(bad(1.7)), asyncio.create_task(one("e", 0.3)), asyncio.create_task(one("f", 6))]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    trace.append((sorted(tasks.index(task) for task in done), len(pending), since(ctx)))
    trace.append([str(task.exception()) for task in done if task.exception()])
    done, pending = await asyncio.wait(pending, timeout=3.3)
    trace.append((len(done), len(pending), since(ctx)))
    done, pending = await asyncio.wait(pending)
    trace.append(([task.result() for task in done], since(ctx)))
    return trace


@case()
async def as_they_complete(ctx: Context) -> Trace:
    trace: Trace = []
    calls = [ctx.step(work, str(i), seconds) for i, seconds in enumerate((2.2, 0.7, 3.1, 1.4))]
    for next_one in asyncio.as_completed(calls):
        trace.append((await next_one, since(ctx)))
    try:
        for next_one in asyncio.as_completed([ctx.step(work, "x", 1), ctx.step(work, "y", 9)], timeout=4):
            trace.append(await next_one)
    except TimeoutError:
        trace.append(f"timed out at {since(ctx)}")
    trace.append(await ctx.step(work, "end"))
    return trace


@case()
async def sets_of_tasks(ctx: Context) -> Trace:
    """What iterates over a set of tasks, or makes tasks of a set of coroutines, does so in the same order."""
    trace: Trace = []

    async def takes_its_key_as_it_begins(name: int) -> str:
        return await ctx.step(work, f"{name}", 0.5)

    coroutines = [takes_its_key_as_it_begins(i) for i in range(8)]
    trace.append([await next_one for next_one in asyncio.as_completed(coroutines)])

    async def one(name: int) -> int:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            trace.append(f"{name} cancelled")
            raise
        trace.append(name)
        return await ctx.step(number, name, 0)

    async def wait_for_ever(name: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            trace.append(f"{name} ended")

    done, _ = await asyncio.wait([asyncio.create_task(one(i)) for i in range(12)])
    trace.append([task.result() for task in done])
    for task in {asyncio.create_task(wait_for_ever(i)) for i in range(12)} - (odd := {asyncio.create_task(one(99))}):
        await asyncio.sleep(0)
        task.cancel()
    trace.append(len(await asyncio.gather(*odd)))
    with suppress(BaseExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for i in range(20, 32):
                group.create_task(wait_for_ever(i))
            group.create_task(ctx.step(broken, "abort", 0.4))
    return trace


@case()
async def shielding(ctx: Context) -> Trace:
    trace: Trace = []
    inner = asyncio.ensure_future(ctx.step(work, "shielded", 3))
    try:
        await asyncio.wait_for(asyncio.shield(inner), 1)
    except TimeoutError:
        trace.append((f"gave up at {since(ctx)}", inner.done()))
    trace += [await inner, since(ctx)]
    outer = asyncio.ensure_future(asyncio.shield(asyncio.ensure_future(ctx.step(work, "again", 2))))
    await asyncio.sleep(0.5)
    outer.cancel()
    with suppress(asyncio.CancelledError):
        await outer
    trace += [outer.cancelled(), await ctx.step(work, "end", 4)]
    return trace
