"""Cancelling, callbacks, threads, failures."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from holdfast import (
    Context,
    StepFailed,
    StepTimedOut,
)
from tests.kernel.replay.bodies.house import (
    Trace,
    broken,
    case,
    endless,
    flaky,
    in_thread,
    napping,
    pay,
    remember,
    since,
    work,
)
from tests.kernel.replay.world import ROOT, Act


@case()
async def cancelling(ctx: Context) -> Trace:
    trace: Trace = []

    async def stubborn(name: str) -> str:
        task = asyncio.current_task()
        assert task is not None
        try:
            await ctx.step(work, f"{name} works", 5)
        except asyncio.CancelledError as error:
            trace.append((name, error.args, task.cancelling(), since(ctx)))
            task.uncancel()
        trace.append((name, task.cancelling(), await ctx.step(work, f"{name} goes on", 1.1)))
        return name

    async def obedient() -> None:
        try:
            await asyncio.sleep(50)
        finally:
            trace.append(await ctx.step(work, "tidied", 0.8))

    first, second = asyncio.create_task(stubborn("first")), asyncio.create_task(obedient())
    never = asyncio.create_task(stubborn("never began"))
    never.cancel()
    await asyncio.sleep(2)
    first.cancel("enough")
    second.cancel()
    trace.append([repr(one) for one in await asyncio.gather(first, second, never, return_exceptions=True)])
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().call_later(1.5, me.cancel)
    try:
        await ctx.step(work, "mine", 9)
    except asyncio.CancelledError:
        trace.append((me.cancelling(), me.uncancel(), since(ctx)))
    trace.append(await ctx.step(work, "end", 1))
    return trace


@case(Act(at=4.5, do=lambda client: client.cancel(ROOT, reason="no longer wanted")))
async def cancelled_from_outside(ctx: Context) -> Trace:
    trace: Trace = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.step(work, "a", 2))
            group.create_task(ctx.step(work, "b", 8))
            group.create_task(napping(20.0))
            await asyncio.sleep(100)
    finally:
        trace.append(await ctx.step(work, "clean", 1.2))
        with suppress(TimeoutError):
            await asyncio.wait_for(ctx.step(work, "long", 9), 0.9)
        await ctx.step(remember, [*trace, since(ctx)])
    return trace


@case(Act(at=4.5, do=lambda client: client.cancel(ROOT, reason="no longer wanted")), grace=3.0)
async def cancelled_beyond_its_grace(ctx: Context) -> Trace:
    while True:
        with suppress(asyncio.CancelledError):
            await ctx.step(work, "on and on", 2)


@case()
async def callbacks(ctx: Context) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    loop.call_soon(trace.append, "soon")
    loop.call_later(2, trace.append, "later")
    loop.call_later(1, lambda: loop.call_soon(trace.append, ("soon from later", since(ctx))))
    loop.call_later(1.2, lambda: asyncio.ensure_future(one("task of a callback")))
    loop.call_later(3, trace.append, "never").cancel()
    loop.call_at(loop.time() + 1.5, trace.append, "at")
    future: asyncio.Future[str] = loop.create_future()
    loop.call_later(4, future.set_result, "set")

    async def one(name: str) -> None:
        trace.append((name, await ctx.step(work, name, 0.4), since(ctx)))

    trace.append(await future)
    task = asyncio.ensure_future(ctx.step(work, "done", 1))
    task.add_done_callback(lambda done: trace.append(("done", done.result(), since(ctx))))
    await asyncio.wait([task])
    await asyncio.sleep(0)
    return trace


@case()
async def threads(ctx: Context) -> Trace:
    trace: Trace = [await ctx.step(in_thread, "alone", 0.6)]
    for next_one in asyncio.as_completed(
        [ctx.step(in_thread, str(i), seconds) for i, seconds in enumerate((2.1, 0.8, 1.3))]
    ):
        trace.append(await next_one)
    try:
        await asyncio.wait_for(ctx.step(in_thread, "slow", 5), 1)
    except TimeoutError:
        trace.append(since(ctx))
    return trace


@case()
async def failing(ctx: Context) -> Trace:
    trace: Trace = []
    try:
        await ctx.step(broken, "first")
    except StepFailed as error:
        trace.append((error.type_name, str(error)))
    try:
        await ctx.step(broken, "second").using(raises=[ValueError])
    except ValueError as error:
        trace.append((repr(error), type(error.__cause__).__name__))
    trace.append(await ctx.step(flaky, "third", 2).using(retries=3, backoff="4s"))
    trace.append(since(ctx))
    try:
        await ctx.step(flaky, "fourth", 9).using(retries=2, backoff="2s", retry_on=[OSError])
    except StepFailed as error:
        trace.append((str(error), since(ctx)))
    try:
        await ctx.step(broken, "fifth").using(retries=5, retry_on=[OSError])
    except StepFailed as error:
        trace.append((str(error), since(ctx)))
    try:
        await ctx.step(endless, "sixth").using(timeout="20ms")
    except StepTimedOut as error:
        trace.append(type(error).__name__)
    slow = asyncio.ensure_future(ctx.step(flaky, "seventh", 1).using(retries=1, backoff="30s"))
    quick = await asyncio.gather(
        *(ctx.step(flaky, str(i), 1, 0.3 + i).using(retries=1, backoff="5s") for i in range(3))
    )
    trace += [quick, since(ctx), slow.done(), await slow]
    try:
        async with asyncio.timeout(3):
            await ctx.step(flaky, "given up while it backs off", 5).using(retries=5, backoff="8s")
    except TimeoutError:
        trace.append(since(ctx))
    trace += [await pay("ann", 3.5), since(ctx)]
    return trace


@case()
async def failing_itself(ctx: Context) -> Trace:
    await ctx.step(work, "good")
    try:
        await ctx.step(broken, "bad")
    finally:
        await ctx.step(work, "tidied")
    return []
