"""What the bodies are made with: how they are registered, and the steps and children that several of them call."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from holdfast import (
    App,
    Context,
)
from holdfast.clock import to_datetime
from tests.kernel.replay.world import ROOT, START, Act, Case, World

app = App("replay")
cases: dict[str, Case] = {}
Trace = list[Any]


def case(*acts: Act, grace: float = 30.0) -> Any:
    """Register an agent without arguments, and the case that runs it."""

    def register(fn: Any) -> Any:
        @functools.wraps(fn)
        async def body(ctx: Context) -> Trace:
            return plain(await fn(ctx))

        agent = app.agent(body)
        cases[fn.__name__] = Case(call=agent, acts=acts, grace=grace)
        return agent

    return register


def plain(value: Any) -> Any:
    """Tuples as lists: what a trace may hold is JSON."""
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def since(ctx: Context) -> float:
    """Seconds since the world began."""
    return (ctx.now() - to_datetime(START)).total_seconds()


async def work(name: str, seconds: float = 1.0) -> str:
    await World.current.stage.perform(seconds)
    return f"{name}!"


async def number(value: int, seconds: float = 1.0) -> int:
    await World.current.stage.perform(seconds)
    return value


def in_thread(name: str, seconds: float = 1.0) -> str:
    asyncio.run_coroutine_threadsafe(World.current.stage.perform(seconds), World.current.loop).result()
    return f"{name} in a thread"


async def broken(name: str, seconds: float = 1.0) -> str:
    await World.current.stage.perform(seconds)
    raise ValueError(name)


async def flaky(name: str, failures: int, seconds: float = 1.0) -> str:
    attempt = await World.current.stage.perform(seconds)
    if attempt <= failures:
        raise OSError(f"attempt {attempt}")
    return f"{name} at attempt {attempt}"


async def endless(name: str) -> str:
    await World.current.stage.perform(0)
    await asyncio.sleep(3600)
    return name


@app.tool
async def pay(name: str, amount: float) -> str:
    await World.current.stage.perform(0.7)
    return f"{name} got {amount}"


async def remember(trace: Trace) -> Trace:
    """The result of a cancelled run is not kept: what it saw is in the journal as the result of this."""
    await World.current.stage.perform(0)
    return trace


def resolving(at: float, name: str, value: object) -> Act:
    return Act(at=at, do=lambda client: client.resolve(f"{ROOT}/{name}", value))


async def wrapped(promise: Any) -> Any:
    return await promise


@app.agent
async def napping(ctx: Context, seconds: float) -> Trace:
    trace: Trace = []
    try:
        await asyncio.sleep(seconds)
        trace.append(await ctx.step(work, f"nap {seconds}", seconds / 7))
    except asyncio.CancelledError:
        await ctx.step(work, "woken", 0.35)
        raise
    return [*trace, since(ctx)]


@app.agent
async def sinking(ctx: Context, seconds: float) -> Trace:
    await ctx.step(broken, "sunk", seconds)
    return []


async def number_of(text: str) -> float:
    await World.current.stage.perform(float(text))
    return float(text)


async def fails_above_two(value: float) -> float:
    await World.current.stage.perform(value)
    if value > 2:
        raise ValueError(f"{value} is too much")
    return value
