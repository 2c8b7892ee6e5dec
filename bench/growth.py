"""A run that goes on and on: what a step leaves on the disk, and whether late steps cost more than early ones."""

from __future__ import annotations

import asyncio
import random
import string
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.figure import Figure, Measured
from bench.memory import on_disk
from bench.plan import Plan
from bench.subject import steps_per_second
from holdfast import App, Context

BYTES_SHARE = 2.0
LATE_SHARE = 1.3
SIZE = 1024
EARLY, WINDOW = 20, 20

app = App("bench-growth")
_began: list[float] = []
_chance = random.Random(1)


async def message(number: int) -> str:
    """A step that returns 1 KB that no compression makes small."""
    _began.append(time.perf_counter())
    return "".join(_chance.choices(string.ascii_letters + string.digits, k=SIZE))


@app.agent
async def conversation(ctx: Context, steps: int) -> int:
    """Appends what each step says, as an agent appends messages."""
    messages = [await ctx.step(message, number) for number in range(steps)]
    return sum(len(one) for one in messages)


def measure(plan: Plan) -> Iterator[Figure]:
    """The figures."""
    yield from _kilobytes(plan, steps=plan.count(2000, 100))
    yield _per_step(plan, runs=plan.count(200, 20), steps=plan.count(100, 20))


def _kilobytes(plan: Plan, *, steps: int) -> Iterator[Figure]:
    taken = []
    for _ in range(plan.count(3, 1)):
        with plan.folder() as folder:
            asyncio.run(_converse(folder, steps))
            taken.append((on_disk(folder), _around(EARLY), _around(steps - WINDOW // 2)))
    size, early, late = (median(values) for values in zip(*taken, strict=True))
    name = f"a run of {steps:,} steps, 1 KB each"
    disk = Measured(name=f"{name}: on disk", value=size / 1e6, unit="MB", note="all files of the store, once closed")
    yield disk.at_most(BYTES_SHARE, "payload", steps * SIZE / 1e6)
    note = f"medians of {WINDOW} steps around each"
    yield Measured(name=f"{name}: step {steps:,}", value=late * 1e3, unit="ms", note=note).at_most(
        LATE_SHARE, f"step {EARLY}", early * 1e3
    )


async def _converse(folder: Path, steps: int) -> None:
    async with app.open(str(folder / "growth.db")) as runtime:
        assert await (await runtime.start(conversation(2))).result() == 2 * SIZE
        _began.clear()
        assert await (await runtime.start(conversation(steps))).result() == steps * SIZE


def _around(step: int) -> float:
    """The median time from one step's begin to the next one's."""
    first = step - WINDOW // 2
    last = min(step + WINDOW // 2, len(_began) - 1)
    return median(_began[number + 1] - _began[number] for number in range(first, last))


def _per_step(plan: Plan, *, runs: int, steps: int) -> Figure:
    with plan.folder() as folder:
        asyncio.run(steps_per_second(folder, runs=runs, steps=steps))
        size = on_disk(folder) / (runs * steps)
    note = f"{runs} runs × {steps} steps with 100-byte results; runs, indexes and empty pages included"
    return Measured(name="a step with a result of 100 bytes: on disk", value=size, unit="bytes", note=note).alone()
