"""Small programs as data, and the agent that interprets them: what Hypothesis draws, a run executes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from holdfast import CallFailed, Context
from tests.kernel.replay.bodies import app, broken, since, work
from tests.kernel.replay.world import Case

Program = list[Any]
"""A name, then its parts: numbers for leaves, programs for what holds others."""

LEAVES = ("sleep", "step", "fail")
ONE = ("timeout", "try", "shield", "child")
MANY = ("seq", "gather", "race", "group", "complete", "map")

# What is the only thing to happen at an instant comes in the same order in every world. So each leaf lasts some seconds
# and, of its own, a power of two of microseconds: no two paths through a program take equally long.
_MOST_LEAVES = 16


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    many = st.tuples(st.sampled_from(MANY), st.lists(inner, min_size=1, max_size=4)).map(
        lambda drawn: [drawn[0], *drawn[1]]
    )
    one = st.tuples(st.sampled_from(ONE), st.integers(1, 5), inner).map(list)
    return many | one


_drawn = st.recursive(st.tuples(st.sampled_from(LEAVES), st.integers(1, 6)).map(list), _nested, max_leaves=_MOST_LEAVES)


def programs() -> st.SearchStrategy[Program]:
    """Programs in which every duration is unlike all others."""
    return _drawn.map(lambda drawn: _spread(drawn, iter(range(200))))


def _spread(program: Program, numbers: Iterator[int]) -> Program:
    name, *parts = program
    if name in LEAVES or name in ONE:
        parts[0] = parts[0] + 2.0 ** next(numbers) / 1_000_000 if parts[0] < 10 else parts[0]
    return [name, *(_spread(part, numbers) if isinstance(part, list) else part for part in parts)]


@app.agent
async def program(ctx: Context, code: Program) -> list[Any]:
    return await interpret(ctx, code, [])


def program_case(code: Program) -> Case:
    """The case that runs a program."""
    return Case(call=lambda: program(code), others=("program",))


async def interpret(ctx: Context, code: Program, trace: list[Any]) -> list[Any]:
    """Do what a program says; the trace tells what was observed."""
    name, *parts = code
    await globals()[f"_{name}"](ctx, trace, *parts)
    trace.append([name, since(ctx)])
    return trace


async def _sleep(ctx: Context, trace: list[Any], seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _step(ctx: Context, trace: list[Any], seconds: float) -> None:
    trace.append(await ctx.step(work, f"{seconds}", seconds))


async def _fail(ctx: Context, trace: list[Any], seconds: float) -> None:
    await ctx.step(broken, f"{seconds}", seconds)


async def _seq(ctx: Context, trace: list[Any], *parts: Program) -> None:
    for part in parts:
        await interpret(ctx, part, trace)


async def _gather(ctx: Context, trace: list[Any], *parts: Program) -> None:
    results = await asyncio.gather(*(interpret(ctx, part, trace) for part in parts), return_exceptions=True)
    trace.append([type(result).__name__ for result in results])


async def _group(ctx: Context, trace: list[Any], *parts: Program) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(interpret(ctx, part, trace))
    except* CallFailed as failed:
        trace.append([len(failed.exceptions), since(ctx)])


async def _race(ctx: Context, trace: list[Any], *parts: Program) -> None:
    tasks = [asyncio.create_task(interpret(ctx, part, trace)) for part in parts]
    try:
        _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    trace.append([len(pending), [task.cancelled() for task in tasks]])


async def _complete(ctx: Context, trace: list[Any], *parts: Program) -> None:
    for next_one in asyncio.as_completed([interpret(ctx, part, []) for part in parts]):
        try:
            trace.append(await next_one)
        except CallFailed as error:
            trace.append([type(error).__name__, since(ctx)])


async def _map(ctx: Context, trace: list[Any], *parts: Program) -> None:
    async def branch(place: int) -> list[Any]:
        return await interpret(ctx, parts[place], [])

    results = await ctx.map(branch, range(len(parts)), key=str, on_error="collect", concurrency=3)
    trace.append([result if isinstance(result, list) else str(result) for result in results])


async def _timeout(ctx: Context, trace: list[Any], seconds: float, part: Program) -> None:
    try:
        async with asyncio.timeout(seconds):
            await interpret(ctx, part, trace)
    except TimeoutError:
        trace.append(["late", since(ctx)])


async def _try(ctx: Context, trace: list[Any], seconds: float, part: Program) -> None:
    try:
        await interpret(ctx, part, trace)
    except CallFailed as error:
        trace.append(type(error).__name__)
    finally:
        trace.append(await ctx.step(work, f"finally {seconds}", seconds))


async def _shield(ctx: Context, trace: list[Any], seconds: float, part: Program) -> None:
    inner = asyncio.ensure_future(interpret(ctx, part, trace))
    try:
        await asyncio.wait_for(asyncio.shield(inner), seconds)
    except TimeoutError:
        trace.append(["goes on", inner.done()])
        await inner


async def _child(ctx: Context, trace: list[Any], seconds: float, part: Program) -> None:
    try:
        trace.append(await asyncio.wait_for(program(part), seconds * 3))
    except TimeoutError:
        trace.append(["left", since(ctx)])
