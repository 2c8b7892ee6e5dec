"""Holdfast as it is measured: one app on a new SQLite store, used as its documentation says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from holdfast import App, Context
from holdfast.durable.client import Client
from holdfast.runtime import Runtime

PAYLOAD = "x" * 100
"""What a step returns."""

app = App("bench")


async def work(number: int) -> str:
    """A step that costs nothing itself."""
    return PAYLOAD


@app.agent
async def sequence(ctx: Context, steps: int) -> int:
    """So many steps, one after the other."""
    for number in range(steps):
        await ctx.step(work, number)
    return steps


@asynccontextmanager
async def runtime_in(folder: Path) -> AsyncIterator[Runtime]:
    """A worker and a client on a new store, warm: code is loaded, types are resolved, the schema is read."""
    async with app.open(str(folder / f"holdfast-{time.monotonic_ns()}.db")) as runtime:
        await run_all(runtime, runs=2, steps=2)
        yield runtime


async def run_all(client: Client, *, runs: int, steps: int) -> float:
    """Start runs in one call and wait until all have ended; seconds."""
    begun = time.perf_counter()
    for run in await client.start_all([sequence(steps) for _ in range(runs)]):
        assert await run.result() == steps
    return time.perf_counter() - begun


async def steps_per_second(folder: Path, *, runs: int, steps: int) -> float:
    """Durable steps per second of so many runs side by side, from their start to the last result."""
    async with runtime_in(folder) as runtime:
        return runs * steps / await run_all(runtime, runs=runs, steps=steps)
