"""Coming back to a map of which all items but the last are done: how long it takes, and what it holds.

One process records it (``python -m bench.bigmap STORE ITEMS``), another resumes it, so that what is resident is the
resumed run's.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, Measured
from bench.memory import forget_peak, peak, resident
from bench.plan import Plan
from bench.waiting import AT_ONCE, evicted
from holdfast import App, Context
from holdfast.runtime import Runtime

SECONDS, MEGABYTES = 1.0, 20.0
CONCURRENCY = 1000

app = App("bench-map")
_asked: dict[str, str] = {}  # the promise that a run's last item waits for, by run
_live: asyncio.Queue[tuple[float, int]] = asyncio.Queue()


async def mark() -> None:
    """The first step after the map: the run is live again."""
    _live.put_nowait((time.perf_counter(), peak()))


@app.agent
async def big(ctx: Context, items: int) -> int:
    """A map whose last item waits for an answer."""

    async def item(number: int) -> int:
        if number < items - 1:
            return number
        answer = ctx.promise("answer", int)
        _asked[ctx.run_id] = answer.id
        return await answer

    results = await ctx.map(item, range(items), key=str, concurrency=CONCURRENCY)
    await ctx.step(mark)
    return results[0] + results[-1]  # only now are values read


def measure(plan: Plan) -> Iterator[Figure]:
    """The figures."""
    items = plan.count(100_000, 200)
    with plan.folder() as folder:
        store = folder / "map.db"
        command = [sys.executable, "-m", "bench.bigmap", str(store), str(items)]
        run_id, promise_id = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        seconds, grown = asyncio.run(_resume(store, run_id, promise_id))
    name = f"resume of a map of {items:,} items, {items - 1:,} done"
    note = "from the call that resolves the last item's promise to the begin of the step after the map"
    yield Measured(name=name, value=seconds, unit="s", note=note).below(SECONDS)
    note = "growth of resident memory at its peak, until a value is asked for"
    yield Measured(name=f"{name}: memory", value=grown / 1e6, unit="MB", note=note).below(MEGABYTES)


async def record(store: Path, items: int) -> None:
    """Run the map until only its last item is missing; say which promise that waits for."""
    async with app.open(str(store), settings=AT_ONCE) as runtime:
        run = await runtime.start(big(items))
        await evicted(runtime, run.id)
    print(run.id, _asked[run.id])


async def _resume(store: Path, run_id: str, promise_id: str) -> tuple[float, int]:
    async with app.open(str(store), settings=AT_ONCE) as runtime:
        warm = await runtime.start(big(3))
        await evicted(runtime, warm.id)
        await _wake(runtime, _asked[warm.id])
        before = resident()
        forget_peak()
        seconds, most = await _wake(runtime, promise_id)
        assert await (await runtime.get(run_id)).result() == 1
    return seconds, most - before


async def _wake(runtime: Runtime, promise_id: str) -> tuple[float, int]:
    begun = time.perf_counter()
    await runtime.resolve(promise_id, 1)
    at, most = await _live.get()
    return at - begun, most


if __name__ == "__main__":
    asyncio.run(record(Path(sys.argv[1]), int(sys.argv[2])))
