"""The same app on PostgreSQL: a server of its own, which syncs every commit to the disk that is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median, quantiles

import asyncpg

from bench import children, limit
from bench.figure import Figure, Measured
from bench.plan import Plan
from bench.subject import PAYLOAD, app, run_all
from holdfast import App, Context
from holdfast.runtime import Runtime
from tests.postgres.server import Server

RAW_SHARE, CHILDREN, P50, P99 = 0.25, 3_000, 10, 60
_TABLE = (
    "CREATE TABLE journal (run bigint NOT NULL, key text NOT NULL, payload bytea NOT NULL);"
    "CREATE INDEX ON journal (run)"
)
_APPEND = "INSERT INTO journal SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[])"
_waking = App("bench-waking")


@_waking.agent
async def waking(ctx: Context, times: int) -> int:
    """Waits for one promise after the other, and takes a step after each."""
    for number in range(times):
        await ctx.promise(f"p{number}", bool)
        await ctx.step(_note)
    return times


_told: asyncio.Queue[float] = asyncio.Queue()


async def _note() -> None:
    _told.put_nowait(time.perf_counter())


def measure(plan: Plan) -> Iterator[Figure]:
    """The figures."""
    runs, steps = plan.count(200, 20), plan.count(100, 10)
    subject, raw = plan.interleaved(
        lambda folder: _on_a_server(folder, lambda url: _steps(url, runs, steps)),
        lambda folder: _on_a_server(folder, lambda url: _rows(url, runs, steps)),
    )
    note = f"raw: {limit.PER_TRANSACTION} rows per call, on the same server"
    name = f"PostgreSQL: {runs} runs × {steps} steps of 100 bytes"
    yield Measured(name=name, value=subject, unit="steps/s", note=note).at_least(RAW_SHARE, "raw limit (unnest)", raw)
    parents, each = plan.count(50, 3), plan.count(60, 5)
    (rate,) = plan.interleaved(lambda folder: _on_a_server(folder, lambda url: _children(url, parents, each)))
    name = f"PostgreSQL: {each} children each of {parents} parents"
    yield Measured(name=name, value=rate, unit="children/s", note="started and awaited").above(CHILDREN)
    with plan.folder() as folder, _server(folder) as server:
        taken = asyncio.run(_wakes(server.url, plan.count(200, 20)))
    name, note = (
        "PostgreSQL: from resolve to the next step",
        "resolved through another connection; the run is in memory",
    )
    yield Measured(name=f"{name}, p50", value=median(taken), unit="ms", note=note).below(P50)
    yield Measured(name=f"{name}, p99", value=quantiles(taken, n=100)[98], unit="ms", note=note).below(P99)


@contextmanager
def _server(folder: Path) -> Iterator[Server]:
    server = Server(quick=False, place=folder, settings=("shared_buffers=256MB",))
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.remove()


def _on_a_server(folder: Path, once) -> float:  # type: ignore[no-untyped-def]  # a coroutine function of a URL
    with _server(folder) as server:
        rate: float = asyncio.run(once(server.url))
        return rate


async def _steps(url: str, runs: int, steps: int) -> float:
    async with app.open(url) as runtime:
        await run_all(runtime, runs=2, steps=2)
        return runs * steps / await run_all(runtime, runs=runs, steps=steps)


async def _rows(url: str, runs: int, steps: int) -> float:
    rows = limit.BY_NUMBER.rows([str(n) for n in range(runs)], steps, PAYLOAD.encode())
    batches = [
        tuple(zip(*rows[first : first + limit.PER_TRANSACTION], strict=True))
        for first in range(0, len(rows), limit.PER_TRANSACTION)
    ]
    con = await asyncpg.connect(url)
    await con.execute(_TABLE)
    begun = time.perf_counter()
    for batch in batches:
        await con.execute(_APPEND, *batch)
    rate = len(rows) / (time.perf_counter() - begun)
    await con.close()
    return rate


async def _children(url: str, parents: int, each: int) -> float:
    async with _warm(url) as runtime:
        begun = time.perf_counter()
        for run in await runtime.start_all([children.awaiting(each) for _ in range(parents)]):
            assert await run.result() == each
        return parents * each / (time.perf_counter() - begun)


@asynccontextmanager
async def _warm(url: str) -> AsyncIterator[Runtime]:
    async with children.app.open(url) as runtime:
        assert await (await runtime.start(children.awaiting(2))).result() == 2
        yield runtime


async def _wakes(url: str, times: int) -> list[float]:
    """Milliseconds from each resolve to the step that follows it."""
    async with _waking.open(url) as runtime, _waking.connect(url) as client:
        run = await runtime.start(waking(times + 5))
        taken = []
        for number in range(times + 5):
            begun = time.perf_counter()
            await client.resolve(f"{run.id}/p{number}", True)
            taken.append((await _told.get() - begun) * 1000)
        assert await run.result() == times + 5
        return taken[5:]  # without those with which statements are met for the first time
