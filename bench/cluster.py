"""PostgreSQL under several processes: workers that share the work, and a run that is woken from another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from statistics import median, quantiles

from bench import ledger
from bench.crowd import hired
from bench.figure import Figure, Measured
from bench.plan import Plan
from bench.server import on_a_server

WORKERS, SPEEDUP, STEPS = 4, 1.5, 5
P50, P99 = 10, 60
_WARM = 5
_LOOK = 0.002  # seconds; the worker's own clock says when it was


def measure(plan: Plan) -> Iterator[Figure]:
    """The figures."""
    yield from _shared(plan, runs=plan.count(4_000, 40))
    yield from _woken(plan, times=plan.count(200, 20))


def _shared(plan: Plan, *, runs: int) -> Iterator[Figure]:
    executed: list[tuple[int, int]] = []

    def by(workers: int, folder: Path) -> float:
        rate = on_a_server(folder, lambda url: _finish(url, folder, workers, runs))
        executed.append((len(ledger.lines(folder)), ledger.repeated(folder)))
        return rate

    many, one = plan.interleaved(lambda folder: by(WORKERS, folder), lambda folder: by(1, folder))
    name = f"PostgreSQL: {runs:,} runs × {STEPS} steps in {WORKERS} workers"
    note = "processes of `holdfast worker`, the client in another"
    yield Measured(name=name, value=many, unit="runs/s", note=note).at_least(SPEEDUP, "one worker", one)
    most, asked = max(count for count, _ in executed), runs * STEPS
    note = f"by a ledger outside the store, in each of {len(executed)} rounds; repeated: {sum(n for _, n in executed)}"
    yield Measured(name=f"{name}: executed", value=most, unit="steps", note=note).at_most(1, "asked for", asked)


async def _finish(url: str, folder: Path, workers: int, runs: int) -> float:
    environment = {ledger.FOLDER: str(folder)}
    async with (
        ledger.app.connect(url) as client,
        hired(url, workers, target="bench.ledger:app", environment=environment),
    ):
        begun = time.perf_counter()
        for run in await client.start_all([ledger.short(STEPS) for _ in range(runs)]):
            assert await run.result() == STEPS
        return runs / (time.perf_counter() - begun)


def _workers(url: str, folder: Path, count: int) -> AbstractAsyncContextManager[None]:
    return hired(url, count, target="bench.ledger:app", environment={ledger.FOLDER: str(folder)})


def _woken(plan: Plan, *, times: int) -> Iterator[Figure]:
    taken: list[float] = []

    async def once(url: str, folder: Path) -> float:
        taken.extend(await _wakes(url, folder, times))
        return 0.0

    with plan.folder() as folder:
        on_a_server(folder, lambda url: once(url, folder))
    name = "PostgreSQL: from resolve to the next durable step elsewhere"
    note = f"resolved in another process than the run's, {times} times, one by one; the run is in memory"
    yield Measured(name=f"{name}, p50", value=median(taken), unit="ms", note=note).below(P50)
    yield Measured(name=f"{name}, p99", value=quantiles(taken, n=100)[98], unit="ms", note=note).below(P99)


async def _wakes(url: str, folder: Path, times: int) -> list[float]:
    """Milliseconds from each resolve until the step that follows it was durable, by the clock that processes share."""
    async with ledger.app.connect(url) as client, _workers(url, folder, 1):
        run = await client.start(ledger.waking(times + _WARM))
        taken = []
        for number in range(times + _WARM):
            begun = time.monotonic()
            await client.resolve(f"{run.id}/p{number}", True)
            taken.append((await _told(folder, number) - begun) * 1000)
        assert await run.result() == times + _WARM
        return taken[_WARM:]  # without those with which statements are met for the first time


async def _told(folder: Path, number: int) -> float:
    # The first time counts; a file sends no signal.
    while not (found := dict(reversed(ledger.lines(folder))).get(str(number))):  # noqa: ASYNC110 - said above
        await asyncio.sleep(_LOOK)
    return float(found)
