"""Very many suspended runs: what each costs, and how fast one of them wakes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles

from bench.figure import Figure, Measured
from bench.memory import on_disk, resident
from bench.plan import Plan
from bench.waiting import AT_ONCE, all_evicted, all_rest
from holdfast import App, Context, Settings
from holdfast.runtime import Runtime

P50_MS, P99_MS = 5.0, 30.0
BULK = 1000

app = App("bench-suspended")
_durable: dict[str, asyncio.Future[float]] = {}


async def work(number: int) -> int:
    """A step that costs nothing itself."""
    return number


@app.agent
async def patient(ctx: Context, number: int) -> int:
    """Waits for an answer, then does a step."""
    await ctx.promise("answer", bool)
    done = await ctx.step(work, number)
    _step_is_durable(ctx.run_id)  # a body learns what a step returned once that is on disk
    return done


def _step_is_durable(run_id: str) -> None:
    waiting = _durable.get(run_id)
    if waiting is not None and not waiting.done():
        waiting.set_result(time.perf_counter())


def measure(plan: Plan) -> Iterator[Figure]:
    """The figures."""
    suspended, resident_runs = plan.count(plan.suspended, 300), plan.count(10_000, 300)
    with plan.folder() as folder:
        yield asyncio.run(_in_memory(folder, resident_runs))
    with plan.folder() as folder:
        yield from asyncio.run(_suspended(folder, suspended, samples=plan.count(1000, 20)))


async def _suspended(folder: Path, count: int, *, samples: int) -> Sequence[Figure]:
    async with app.open(str(folder / "suspended.db"), settings=AT_ONCE) as runtime:
        ids = await suspend(runtime, min(count // 2, 3000))  # warm: pools and caches have their size
        before = resident()
        ids += await suspend(runtime, count - len(ids), already=len(ids))
        grown = (resident() - before) / (count - min(count // 2, 3000))
        times = [await wake(runtime, one) for one in random.Random(1).sample(ids, samples)]
    size = on_disk(folder) / count
    return [*_latencies(f"{count:,} suspended runs", times), *_costs(count, grown, size)]


def _latencies(name: str, times: Sequence[float]) -> Iterator[Figure]:
    note = f"from the call that resolves its promise until its next step is durable; {len(times):,} times, one by one"
    p50, p99 = median(times) * 1e3, quantiles(times, n=100)[98] * 1e3
    yield Measured(name=f"{name}: wake one, p50", value=p50, unit="ms", note=note).below(P50_MS)
    yield Measured(name=f"{name}: wake one, p99", value=p99, unit="ms", note=note).below(P99_MS)


def _costs(count: int, grown: float, size: float) -> Iterator[Figure]:
    note = f"growth of resident memory over {count:,} runs, by run; 0: it did not grow"
    yield Measured(name="a suspended run: memory", value=max(grown, 0.0), unit="bytes", note=note).alone()
    note = "its row, its input, its promise, their indexes"
    yield Measured(name="a suspended run: on disk", value=size, unit="bytes", note=note).alone()


async def _in_memory(folder: Path, count: int) -> Figure:
    settings = Settings(linger=3600.0, concurrency=2 * count)  # full, it would evict them
    async with app.open(str(folder / "resident.db"), settings=settings) as runtime:
        await _rest_in_memory(runtime, count // 10)
        before = resident()
        await _rest_in_memory(runtime, count - count // 10)
        grown = (resident() - before) / (count - count // 10)
    note = f"growth of resident memory over {count:,} quiescent runs that linger, by run"
    return Measured(name="a run in memory: memory", value=grown, unit="bytes", note=note).alone()


async def _rest_in_memory(runtime: Runtime, more: int) -> None:
    there = len(runtime.worker.active) + more
    await _start(runtime, more)
    await all_rest(runtime, there)


async def suspend(runtime: Runtime, more: int, *, already: int = 0) -> list[str]:
    """Start more runs, and wait until they are rows only."""
    ids = await _start(runtime, more)
    await all_evicted(runtime, already + more)
    return ids


async def _start(runtime: Runtime, count: int) -> list[str]:
    ids: list[str] = []
    for first in range(0, count, BULK):
        runs = await runtime.start_all([patient(number) for number in range(first, min(first + BULK, count))])
        ids += [run.id for run in runs]
    return ids


async def wake(runtime: Runtime, run_id: str) -> float:
    """Seconds from the call that resolves its promise until its next step is durable."""
    durable = _durable[run_id] = asyncio.get_running_loop().create_future()
    begun = time.perf_counter()
    await runtime.resolve(f"{run_id}/answer", True)
    at = await durable
    del _durable[run_id]
    return at - begun
