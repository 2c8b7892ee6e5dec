"""What a person sees at a terminal: rich where there is one, plain lines elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import rich.console
import rich.progress

from holdfast.records.run import Run

_REFRESH = 0.2  # seconds


class Followed(Protocol):
    """A run whose progress can be asked for."""

    async def info(self) -> Run:
        """Its record."""


class Console:
    """Says things on standard error, so that a script's output stays its own."""

    def __init__(self) -> None:
        self._rich = rich.console.Console(stderr=True, highlight=False)

    def say(self, message: str) -> None:
        """One line."""
        self._rich.print(f"holdfast: {message}", markup=False, soft_wrap=True)

    @asynccontextmanager
    async def following(self, runtime: Any, run: Followed) -> AsyncIterator[None]:
        """Show a progress bar of a run meanwhile, on a terminal."""
        if not self._rich.is_terminal:
            yield
            return
        task = asyncio.get_running_loop().create_task(self._follow(run))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self, run: Followed) -> None:
        with progress_bar(self._rich) as bar:
            task = bar.add_task("", total=None)
            while True:
                record = await run.info()
                if record.progress is not None:
                    bar.update(
                        task,
                        completed=record.progress.done,
                        total=record.progress.total,
                        description=record.progress.message,
                    )
                await asyncio.sleep(_REFRESH)


def progress_bar(console: rich.console.Console) -> rich.progress.Progress:
    """A bar with a description, counts and time."""
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        console=console,
        transient=True,
    )
