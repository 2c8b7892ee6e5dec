"""Maps, in all their modes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from holdfast import (
    ChildFailed,
    Context,
    Failure,
    StepFailed,
)
from tests.kernel.replay.bodies.house import (
    Trace,
    app,
    case,
    fails_above_two,
    in_thread,
    napping,
    number_of,
    since,
    sinking,
    work,
)
from tests.kernel.replay.world import World


@case()
async def map_of_steps(ctx: Context) -> Trace:
    trace: Trace = []
    plain = await ctx.map(number_of, ["3.1", "1.2", "2.3", "0.4", "1.7"], key=str, concurrency=3)
    trace += [list(plain), len(plain), plain[1], plain[-1], list(plain[1:3]), since(ctx)]
    trace.append(list(await ctx.map(in_thread, ["a"], key=str)))
    trace.append(list(await ctx.map(at_once, range(7), key=str, concurrency=2, checkpoint_every=3)))
    trace.append(list(await ctx.map(tool_of, [2, 1], key=str)))
    trace.append(list(await ctx.map(number_of, [], key=str)))
    return [*trace, since(ctx)]


async def at_once(value: int) -> int:
    await World.current.stage.perform(0)
    return value * value


@app.tool
async def tool_of(value: int) -> int:
    await World.current.stage.perform(value)
    return -value


@case()
async def map_that_fails(ctx: Context) -> Trace:
    trace: Trace = []
    kept = await ctx.map(fails_above_two, [1.0, 2.5, 0.3, 3.5], key=str, on_error="collect", concurrency=2)
    trace += [[str(one) if isinstance(one, Failure) else one for one in kept], since(ctx)]
    try:
        await ctx.map(fails_above_two, [1.1, 5.0, 2.2, 9.0], key=str, concurrency=3)
    except StepFailed as error:
        trace += [str(error), since(ctx)]
    try:
        await asyncio.wait_for(waiting_map(ctx), 2)
    except TimeoutError:
        trace.append(since(ctx))
    try:
        await ctx.map(fails_above_two, [1.3, 0.2, 1.3], key=str, concurrency=3)
    except Exception as error:
        trace.append(type(error).__name__)

    async def falls(value: float) -> float:
        await asyncio.sleep(value)
        return await ctx.step(fails_above_two, value)

    kept = await ctx.map(falls, [1.0, 2.6, 0.3], key=str, on_error="collect")
    trace += [[str(one) if isinstance(one, Failure) else one for one in kept], since(ctx)]
    try:
        await ctx.map(falls, [1.0, 2.7, 6.3, 0.1], key=str)
    except Exception as error:
        trace += [type(error).__name__, str(error), since(ctx)]

    async def tidies(value: float) -> str:
        try:
            return await ctx.step(work, str(value), value)
        finally:
            trace.append(f"{value} tidies at {since(ctx)}")
            await asyncio.sleep(0.3)
            trace.append((await ctx.step(work, f"{value} tidied", 0.1 * value), since(ctx)))

    try:
        await asyncio.wait_for(mapping(ctx, tidies), 0.7)
    except TimeoutError:
        await asyncio.sleep(5)
    trace.append(await ctx.step(work, "end"))
    return trace


async def mapping(ctx: Context, fn: Any) -> Any:
    return list(await ctx.map(fn, [4.0, 3.0, 2.0, 1.0], key=str))


async def waiting_map(ctx: Context) -> list[float]:
    return list(await ctx.map(fails_above_two, [1.4, 1.9, 1.8], key=str, concurrency=1))


@case()
async def map_of_branches(ctx: Context) -> Trace:
    async def left_behind(value: float) -> None:
        while True:  # ends with its branch
            await ctx.step(work, "left behind", 1.07 * value)

    async def branch(value: float) -> Trace:
        ticker = asyncio.create_task(left_behind(value))
        trace: Trace = [await ctx.step(work, "first", value), ticker.done()]
        done, pending = await asyncio.wait(
            [asyncio.create_task(asyncio.sleep(value / 2, "slept")), asyncio.create_task(napped(value))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        trace += [[task.result() for task in done], len(pending)]
        try:
            async with asyncio.timeout(1.05):
                trace.append(await ctx.step(work, "raced", value))
        except TimeoutError:
            trace.append("timed out")
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return [*trace, since(ctx), ctx.random.random(), str(ctx.uuid())]

    async def napped(value: float) -> str:
        await asyncio.sleep(value / 3)
        return await ctx.step(work, "napped", value / 11)

    results = list(await ctx.map(branch, [1.3, 0.7, 2.9, 0.35], key=str, concurrency=2))
    return [results, since(ctx), await ctx.step(work, "end")]


@case()
async def maps_in_branches(ctx: Context) -> Trace:
    async def outer(name: str) -> Trace:
        async def inner(value: float) -> Trace:
            await asyncio.sleep(value)
            return [name, value, await ctx.step(work, f"{name}{value}", value / 7), since(ctx)]

        before = await ctx.step(work, name, 0.31 * len(name))
        steps = list(await ctx.map(number_of, [f"{len(name)}.15", "0.45"], key=str))
        branches = list(await ctx.map(inner, [0.85 * len(name), 0.53], key=str))
        child = await napping(0.77 * len(name))
        return [before, steps, branches, child]

    results = list(await ctx.map(outer, ["a", "bb", "ccc"], key=str))
    return [results, since(ctx)]


@case()
async def map_of_children(ctx: Context) -> Trace:
    trace: Trace = [list(await ctx.map(napping, [2.2, 0.9, 1.6, 0.5], key=str, concurrency=2)), since(ctx)]
    kept = await ctx.map(sinking, [1.1, 0.4], key=str, on_error="collect")
    trace += [[str(one) for one in kept], since(ctx)]
    try:
        await ctx.map(sinking, [2.1, 0.7, 5.5], key=str)
    except ChildFailed as error:
        trace += [str(error), since(ctx)]
    try:
        await asyncio.wait_for(waiting_children(ctx), 2.5)
    except TimeoutError:
        trace.append(since(ctx))
    trace.append(await ctx.step(work, "end", 3))
    return trace


async def waiting_children(ctx: Context) -> Any:
    return list(await ctx.map(napping, [1.2, 7.7, 8.8], key=str, concurrency=2))


@case()
async def streaming_maps(ctx: Context) -> Trace:
    trace: Trace = []
    async for item, result in ctx.map(number_of, ["2.1", "0.6", "1.3"], key=str):
        trace.append((item, result, since(ctx)))
        trace.append(await ctx.step(work, item, 0.17))
    async for item, result in ctx.map(number_of, ["1.1", "4.6", "0.3", "7.7"], key=str, concurrency=2):
        trace.append((item, result, since(ctx)))
        if item == "1.1":
            break
    trace.append(await ctx.step(work, "between", 1.9))
    async for item, result in ctx.map(napping, [1.4, 0.2, 3.8], key=str, concurrency=2):
        trace.append((item, result, since(ctx)))
    try:
        async for item, result in ctx.map(fails_above_two, [1.0, 3.3, 2.0], key=str):
            trace.append((item, result))
    except StepFailed as error:
        trace.append((str(error), since(ctx)))

    async def branch(value: float) -> Trace:
        await asyncio.sleep(value)
        return [await ctx.step(work, str(value), value / 3), since(ctx)]

    async for item, result in ctx.map(branch, [2.5, 0.4, 1.0], key=str, concurrency=2):
        trace.append((item, result, since(ctx)))
    return trace


@case()
async def async_sources(ctx: Context) -> Trace:
    trace: Trace = []

    async def source(*values: str) -> AsyncIterator[str]:
        for value in values:
            await asyncio.sleep(0.3)
            yield value
        trace.append(f"exhausted at {since(ctx)}")

    async def branch(value: str) -> str:
        return await ctx.step(work, value, float(value) / 3)

    trace.append(list(await ctx.map(number_of, source("1.7", "0.2", "2.3", "0.4"), key=str, concurrency=2)))
    trace.append(list(await ctx.map(branch, source("1.75", "0.25", "2.35"), key=str)))
    trace.append(list(await ctx.map(napping, numbers_of(ctx, 1.1, 0.55), key=str)))
    async for item, result in ctx.map(at_once, numbers_of(ctx, 3, 4, 5, 6, 7), key=str, checkpoint_every=2):
        trace.append((item, result, since(ctx)))
    return trace


async def numbers_of(ctx: Context, *values: Any) -> AsyncIterator[Any]:
    for value in values:
        yield await ctx.step(number_like, value)


async def number_like(value: Any) -> Any:
    await World.current.stage.perform(0.41)
    return value
