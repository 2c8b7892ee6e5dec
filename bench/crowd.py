"""The same work over several worker processes that share one store: a body runs on one core, a store on all of them."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.subject import app, run_all


async def steps_per_second(folder: Path, *, workers: int, runs: int, steps: int) -> float:
    """Durable steps per second of runs side by side in so many processes, from their start to the last result."""
    store = str(folder / f"crowd-{time.monotonic_ns()}.db")
    async with app.connect(store) as client, hired(store, workers):
        await run_all(client, runs=2 * workers, steps=2)
        return runs * steps / await run_all(client, runs=runs, steps=steps)


@asynccontextmanager
async def hired(
    store: str, workers: int, *, target: str = "bench.subject:app", environment: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """Processes of ``holdfast worker`` that are ready; they end with the block."""
    command = [sys.executable, "-m", "holdfast", "worker", target, "--store", store]
    command += ["--concurrency", "100", "--log-level", "error"]  # each takes its share
    pipe, settings = asyncio.subprocess.PIPE, {**os.environ, **(environment or {})}
    hired = [await asyncio.create_subprocess_exec(*command, stdout=pipe, env=settings) for _ in range(workers)]
    try:
        for worker in hired:
            assert worker.stdout is not None, "asked for"
            await worker.stdout.readline()  # it says when it is ready
        yield
    finally:
        for worker in hired:
            worker.terminate()
            await worker.wait()
