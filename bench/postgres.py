"""The same app on PostgreSQL: a server of its own, which syncs every commit to the disk that is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import asyncpg

from bench import children, comparison, limit, suspended
from bench.environment import Unavailable
from bench.figure import Figure, Line, Measured, Skipped
from bench.plan import Plan
from bench.server import on_a_server
from bench.subject import PAYLOAD, app, run_all
from bench.waiting import AT_ONCE
from holdfast.runtime import Runtime

RAW_SHARE, CHILDREN, DBOS_TIMES, GROWTH = 0.25, 3_000, 60, 2
_TABLE = (
    "CREATE TABLE journal (run bigint NOT NULL, key text NOT NULL, payload bytea NOT NULL);"
    "CREATE INDEX ON journal (run)"
)
_APPEND = "INSERT INTO journal SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[])"
_DBOS = comparison.Peer(name="DBOS", script="with_dbos.py", steps=20)


def measure(plan: Plan) -> Iterator[Line]:
    """The figures."""
    runs, steps = plan.count(200, 20), plan.count(100, 10)
    subject, raw = plan.interleaved(
        lambda folder: on_a_server(folder, lambda url: _steps(url, runs, steps)),
        lambda folder: on_a_server(folder, lambda url: _rows(url, runs, steps)),
    )
    note = f"raw: {limit.PER_TRANSACTION} rows per call, on the same server"
    name = f"PostgreSQL: {runs} runs × {steps} steps of 100 bytes"
    yield Measured(name=name, value=subject, unit="steps/s", note=note).at_least(RAW_SHARE, "raw limit (unnest)", raw)
    parents, each = plan.count(50, 3), plan.count(60, 5)
    (rate,) = plan.interleaved(lambda folder: on_a_server(folder, lambda url: _children(url, parents, each)))
    name = f"PostgreSQL: {each} children each of {parents} parents"
    yield Measured(name=name, value=rate, unit="children/s", note="started and awaited").above(CHILDREN)
    yield from _among_many(plan)
    yield from _beside_dbos(plan, runs, steps)


def _beside_dbos(plan: Plan, runs: int, steps: int) -> Iterator[Line]:
    """DBOS on a server of the same kind: see ``bench/comparison.py``."""

    def theirs(folder: Path, arguments: list[str]) -> float:
        async def ask(url: str) -> float:
            con = await asyncpg.connect(url)
            await con.execute("CREATE DATABASE dbos")
            await con.close()
            answer = await asyncio.to_thread(comparison.ask, _DBOS, [str(folder), *arguments, _of_dbos(url)])
            return float(answer["steps_per_second"])

        return on_a_server(folder, ask)

    try:
        comparison.prepare(plan, _DBOS)
        fewer = plan.count(_DBOS.steps, 5)
        value, limit = plan.interleaved(
            lambda folder: on_a_server(folder, lambda url: _steps(url, runs, steps)),
            lambda folder: theirs(folder, [str(runs), str(fewer)]),
        )
    except Unavailable as error:
        yield Skipped(name=f"PostgreSQL: {_DBOS.name}", why=str(error))
        return
    name, note = f"PostgreSQL: {runs} runs × {steps} steps of 100 bytes", f"DBOS: {runs} × {fewer} steps, same server"
    yield Measured(name=name, value=value, unit="steps/s", note=note).at_least(DBOS_TIMES, "DBOS", limit)


def _of_dbos(url: str) -> str:
    return url.rpartition("/")[0].replace("postgresql://", "postgresql+psycopg://", 1) + "/dbos"


def _among_many(plan: Plan) -> Iterator[Figure]:
    """How long one takes to wake among few suspended runs, and among very many."""
    few, many = plan.count(1_000, 50), plan.count(plan.suspended, 300)
    taken: dict[int, float] = {}

    async def once(url: str) -> float:
        async with suspended.app.open(url, settings=AT_ONCE) as runtime:
            ids = iter(await suspended.suspend(runtime, few))
            taken[few] = await _median_wake(runtime, ids, few // 3)
            await _multiply(url, many)
            taken[many] = await _median_wake(runtime, ids, few // 3)
        return 0.0

    with plan.folder() as folder:
        on_a_server(folder, once)
    note = "from resolve to the next durable step: wake, claim, load, commit; the many are copies of the few, as rows"
    yield Measured(
        name=f"PostgreSQL: {many:,} suspended runs: wake one, p50", value=taken[many], unit="ms", note=note
    ).at_most(GROWTH, f"{few:,} suspended", taken[few])


async def _median_wake(runtime: Runtime, ids: Iterator[str], samples: int) -> float:
    return median([await suspended.wake(runtime, next(ids)) for _ in range(samples)]) * 1000


async def _multiply(url: str, count: int) -> None:
    """Copy a suspended run until there are so many, each with its promise."""
    con = await asyncpg.connect(url)
    columns = [
        name
        for (name,) in await con.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'holdfast' "
            "AND table_name = 'runs' AND column_name NOT IN ('rid', 'id', 'root') ORDER BY ordinal_position"
        )
    ]
    listed = ", ".join(columns)
    await con.execute(
        f"INSERT INTO holdfast.runs (id, root, {listed}) "
        f"SELECT 'copy-' || n, 'copy-' || n, {listed} FROM generate_series(1, {count}) AS n, "
        "(SELECT * FROM holdfast.runs WHERE status = 'waiting' LIMIT 1) AS one;"
        "INSERT INTO holdfast.promises (id, rid, key, schema) "
        "SELECT r.id || '/answer', r.rid, p.key, p.schema FROM holdfast.runs AS r, "
        "(SELECT * FROM holdfast.promises LIMIT 1) AS p WHERE r.id LIKE 'copy-%'",
        timeout=1200,
    )
    await con.execute("VACUUM ANALYZE", timeout=1200)
    await con.close()


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
