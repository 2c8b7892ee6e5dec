"""A progress bar on a terminal; a line now and then anywhere else."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """Shows how many claims are done, and who works on them."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._shown = -1  # tenths already printed where there is no terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TextColumn("[dim]{task.fields[note]}"), console=console)
        self._task = self._progress.add_task("claims", total=total, note="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def show(self, done: int, who: str, note: str) -> None:
        """Show that ``done`` claims are done."""
        if self._console.is_terminal:
            self._progress.update(self._task, completed=done, description=who, note=note)
        elif (tenth := done * 10 // max(self._total, 1)) > self._shown:
            self._shown = tenth
            self.say(f"  {who}: {done} of {self._total} claims{', ' if note else ''}{note}")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
