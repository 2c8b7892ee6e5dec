"""How many durable steps per second: 200 runs side by side, and one run alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from bench import crowd, limit
from bench.figure import Figure, Measured
from bench.plan import Plan
from bench.subject import PAYLOAD, steps_per_second
from holdfast.clock import SystemClock, new_id

RAW_SHARE = 0.2
SINGLE_SHARE = 0.6
WORKERS = 2


def measure(plan: Plan) -> Iterator[Figure]:
    """The figures."""
    yield from _side_by_side(plan, runs=plan.count(200, 20), steps=plan.count(100, 10))
    yield _alone(plan, steps=plan.count(2000, 50))


def _side_by_side(plan: Plan, *, runs: int, steps: int) -> Iterator[Figure]:
    ids = _ids(runs)
    by_id, by_number = (schema.rows(ids, steps, PAYLOAD.encode()) for schema in (limit.BY_ID, limit.BY_NUMBER))
    subject, together, raw, numbered = plan.interleaved(
        lambda folder: asyncio.run(steps_per_second(folder, runs=runs, steps=steps)),
        lambda folder: asyncio.run(crowd.steps_per_second(folder, workers=WORKERS, runs=runs, steps=steps)),
        lambda folder: limit.rows_per_second(folder, limit.BY_ID, by_id),
        lambda folder: limit.rows_per_second(folder, limit.BY_NUMBER, by_number),
    )
    measured = Measured(
        name=f"{runs} runs × {steps} steps of 100 bytes",
        value=subject,
        unit="steps/s",
        note=f"from the start of the runs to the last result; raw: {limit.PER_TRANSACTION} rows per transaction",
    )
    yield measured.at_least(RAW_SHARE, limit.BY_ID.name, raw)
    yield measured.beside(limit.BY_NUMBER.name, numbered)
    note = "two processes of `holdfast worker` on one file, the client in a third"
    yield Measured(name=f"the same in {WORKERS} workers", value=together, unit="steps/s", note=note).beside(
        limit.BY_ID.name, raw
    )


def _alone(plan: Plan, *, steps: int) -> Figure:
    rows = limit.BY_ID.rows(_ids(1), steps, PAYLOAD.encode())
    subject, raw = plan.interleaved(
        lambda folder: asyncio.run(steps_per_second(folder, runs=1, steps=steps)),
        lambda folder: limit.rows_per_second(folder, limit.BY_ID, rows, each=1),
    )
    measured = Measured(
        name=f"one run, {steps:,} steps in a row", value=subject, unit="steps/s", note="raw: one row per transaction"
    )
    return measured.at_least(SINGLE_SHARE, "raw single-row commits", raw)


def _ids(runs: int) -> list[str]:
    now = SystemClock().now()
    return [new_id(now) for _ in range(runs)]
