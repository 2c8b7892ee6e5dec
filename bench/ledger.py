"""An app that writes down what it really does, in files outside its store; one file per process.

Workers find the folder in ``BENCH_LEDGER``.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

from holdfast import App, Context

FOLDER = "BENCH_LEDGER"
app = App("bench-ledger")


async def work(run_id: str, number: int) -> int:
    """A step that says that it was executed."""
    _write(f"{run_id} {number}")
    return number


@app.agent
async def short(ctx: Context, steps: int) -> int:
    """So many steps, one after the other."""
    for number in range(steps):
        await ctx.step(work, ctx.run_id, number)
    return steps


async def note(number: int) -> int:
    """A step that costs nothing itself."""
    return number


@app.agent
async def waking(ctx: Context, times: int) -> int:
    """Waits for one promise after the other, takes a step after each, and says when that step was durable."""
    for number in range(times):
        await ctx.promise(f"p{number}", bool)
        await ctx.step(note, number)
        _write(f"{number} {time.monotonic()}")  # a body learns what a step returned once that is on disk
    return times


def lines(folder: Path) -> list[tuple[str, str]]:
    """What all processes have written so far, line by line; each in two parts."""
    texts = [file.read_text() for file in sorted(folder.glob("*.ledger"))]
    whole = [text[: text.rfind("\n") + 1].splitlines() for text in texts]
    return [(first, second) for some in whole for first, _, second in (line.partition(" ") for line in some)]


def repeated(folder: Path) -> int:
    """How many steps were executed more than once."""
    return sum(times > 1 for times in Counter(lines(folder)).values())


def _write(line: str) -> None:
    with Path(os.environ[FOLDER], f"{os.getpid()}.ledger").open("a") as file:
        file.write(line + "\n")
