"""Starting very many runs in one call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, Measured
from bench.plan import Plan
from bench.subject import app, sequence

SECONDS = 1.0


def measure(plan: Plan) -> Iterator[Figure]:
    """The figures."""
    runs = plan.count(10_000, 100)
    (seconds,) = plan.interleaved(lambda folder: asyncio.run(_start(folder, runs)))
    note = "by a client without a worker; durable when the call returns"
    yield Measured(name=f"start of {runs:,} runs in one call", value=seconds, unit="s", note=note).below(SECONDS)


async def _start(folder: Path, runs: int) -> float:
    async with app.connect(str(folder / "starting.db")) as client:
        await client.start(sequence(1))
        calls = [sequence(number) for number in range(runs)]
        begun = time.perf_counter()
        await client.start_all(calls)
        return time.perf_counter() - begun
