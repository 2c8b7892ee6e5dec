"""What a person sees at a terminal: rich where there is one, plain lines elsewhere.

rich is loaded by whoever shows something with it: most processes are workers, or write for other programs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.errors import StoreBusy
from holdfast.records.run import Progress, Run

if TYPE_CHECKING:
    import rich.console
    import rich.progress

_REFRESH = 0.2  # seconds
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # all but tab and line feed
    "\u202a-\u202e\u2066-\u2069"  # what turns the direction of the text after it
    "\u200b\u2060-\u2064\ufeff\U000e0000-\U000e007f]"  # what nobody sees, and no script needs between letters
)


class Followed(Protocol):
    """A run whose progress can be asked for."""

    async def info(self) -> Run:
        """Its record."""


class Console:
    """Says things on standard error, so that a script's output stays its own."""

    def __init__(self) -> None:
        import rich.console

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
                with suppress(StoreBusy):  # whoever waits for the run says so; meanwhile the bar stands still
                    _show(bar, task, (await run.info()).progress)
                await asyncio.sleep(_REFRESH)


def _show(bar: rich.progress.Progress, task: rich.progress.TaskID, told: Progress | None) -> None:
    if told is not None:
        bar.update(task, completed=told.done, total=told.total, description=on_line(told.message))


def harmless(text: object) -> str:
    """Text of others without the characters by which it could steer a terminal, or be read as another than it is."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], str(text))


def on_line(text: object) -> str:
    """The same on one line."""
    return " ".join(harmless(text).split())


def progress_bar(console: rich.console.Console | None = None) -> rich.progress.Progress:
    """A bar with a description, counts and time; on standard output by default."""
    import rich.progress

    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        console=console,
        transient=True,
    )
