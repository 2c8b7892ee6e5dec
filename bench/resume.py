"""Coming back: how long until a run with 10,000 recorded steps is live again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.figure import Figure, Measured
from bench.plan import Plan
from bench.waiting import AT_ONCE, evicted
from holdfast import App, Context
from holdfast.runtime import Runtime

SECONDS = 0.2

app = App("bench-resume")
_live: asyncio.Queue[float] = asyncio.Queue()


async def work(number: int) -> int:
    """A step that costs nothing itself."""
    return number


async def mark(number: int) -> None:
    """The first step after the history: the run is live again."""
    _live.put_nowait(time.perf_counter())


@app.agent
async def history(ctx: Context, steps: int, times: int) -> None:
    """Many steps; then, so many times, a wait out of memory and a step."""
    for number in range(steps):
        await ctx.step(work, number)
    for number in range(times):
        await ctx.promise(f"go-{number}", bool)
        await ctx.step(mark, number)


def measure(plan: Plan) -> Iterator[Figure]:
    """The figure."""
    steps, times = plan.count(10_000, 100), plan.count(5, 1)
    with plan.folder() as folder:
        seconds = asyncio.run(_resume(folder, steps, times))
    note = "from the call that resolves its promise to the begin of its next step: notification, claim, load, replay"
    yield Measured(name=f"resume of {steps:,} recorded steps", value=seconds, unit="s", note=note).below(SECONDS)


async def _resume(folder: Path, steps: int, times: int) -> float:
    async with app.open(str(folder / "resume.db"), settings=AT_ONCE) as runtime:
        run = await runtime.start(history(steps, times))
        return median([await _seconds_until_live(runtime, run.id, number) for number in range(times)])


async def _seconds_until_live(runtime: Runtime, run_id: str, number: int) -> float:
    await evicted(runtime, run_id)
    begun = time.perf_counter()
    await runtime.resolve(f"{run_id}/go-{number}", True)
    return await _live.get() - begun
