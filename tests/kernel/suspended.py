"""Start runs, wait until all are suspended, and say what they cost this process: ``suspended.py COUNT STORE``."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import inspect
import json
import os
import sys
import time

from holdfast import App, Context, Settings
from holdfast.durable.activation import Activation
from holdfast.durable.loop import BodyTask
from holdfast.records.run import Status

app = App("many")
BULK = 1000


@app.agent
async def patient(ctx: Context, n: int) -> bool:
    if n % 2:
        await asyncio.sleep(90 * 86_400)
    return await ctx.promise("answer", bool)


def resident_mb() -> float:
    """What is held. What an allocator keeps of a burst that is over differs between runs, and is given back first."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def start_all(runtime, count: int) -> None:
    for first in range(0, count, BULK):
        await runtime.start_all([patient(n) for n in range(first, min(first + BULK, count))])


async def all_wait(runtime, count: int) -> None:
    while True:
        counts = await runtime.store.count()
        if counts.get(Status.WAITING, 0) >= count and not runtime.worker.active:
            return
        await asyncio.sleep(0.2)


async def main(count: int, path: str) -> None:
    begun = time.monotonic()
    async with app.open(path, settings=Settings(linger=0.0)) as runtime:
        warm = min(count // 2, 3000)
        await start_all(runtime, warm)
        await all_wait(runtime, warm)
        before = resident_mb()
        await start_all(runtime, count - warm)
        await all_wait(runtime, count)
        after = resident_mb()
        objects = gc.get_objects()
        figures = {
            "waiting": (await runtime.store.count())[Status.WAITING],
            "tasks": sum(isinstance(one, BodyTask) for one in objects),
            "coroutines": sum(inspect.iscoroutine(one) and one.__name__ == "patient" for one in objects),
            "activations": sum(isinstance(one, Activation) for one in objects),
            "before_mb": round(before, 1),
            "after_mb": round(after, 1),
            "grew_mb": round(after - before, 1),
            "seconds": round(time.monotonic() - begun, 1),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
