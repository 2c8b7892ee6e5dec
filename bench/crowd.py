"""The same work over several worker processes that share one file: a body runs on one core, a store on all of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.subject import app, run_all
from holdfast.durable.client import Client

_LOOK = 0.05  # seconds


async def steps_per_second(folder: Path, *, workers: int, runs: int, steps: int) -> float:
    """Durable steps per second of so many runs side by side in so many processes, from their start to the last result."""
    store = str(folder / f"crowd-{time.monotonic_ns()}.db")
    async with app.connect(store) as client, _hired(client, store, workers):
        await run_all(client, runs=2 * workers, steps=2)
        return runs * steps / await run_all(client, runs=runs, steps=steps)


@asynccontextmanager
async def _hired(client: Client, store: str, workers: int) -> AsyncIterator[None]:
    command = [sys.executable, "-m", "holdfast", "worker", "bench.subject:app", "--store", store]
    command += ["--concurrency", "100"]  # each takes its share
    processes = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(workers)
    ]
    try:
        while len(await client.workers()) < workers:
            await asyncio.sleep(_LOOK)
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
