"""What the command writes: tables with rich on a terminal, aligned text elsewhere, JSON where it was asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from holdfast.cli.codes import Exit
from holdfast.console import harmless, on_line

_STATUS_STYLE = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "blocked": "bold red",
    "paused": "bold yellow",
    "running": "cyan",
}


def at_terminal() -> bool:
    """Whether a person reads the output."""
    return sys.stdout.isatty()


def document(value: Any) -> None:
    """One JSON document on a line."""
    say(json.dumps(value, ensure_ascii=False, allow_nan=False))


def say(text: str) -> None:
    """A line of output.

    Raises:
        typer.Exit: nobody reads it any more.
    """
    with while_read():
        print(text, flush=True)


@contextmanager
def while_read() -> Iterator[None]:
    """End well when nobody reads the output any more (``… | head``).

    Raises:
        typer.Exit: so it is.
    """
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at its end
        raise typer.Exit(Exit.READER_GONE) from None


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, indent: str = "") -> None:
    """A table; a column named STATUS is coloured on a terminal."""
    cells = [[on_line(cell) for cell in row] for row in rows]
    if at_terminal():
        _rich_table(headers, cells)
        return
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    for row in (headers, *cells):
        say(indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rich_table(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    import rich.box
    import rich.console
    import rich.table
    import rich.text

    shown = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        shown.add_column(header, overflow="fold")
    for row in cells:
        shown.add_row(*(rich.text.Text(cell, style=_STATUS_STYLE.get(cell, "")) for cell in row))
    rich.console.Console().print(shown)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair on a line; pairs without a value are left out."""
    given = [(name, harmless(value)) for name, value in pairs if value not in (None, "")]
    width = max((len(name) for name, _ in given), default=0)
    for name, value in given:
        say(f"{name.ljust(width)}  {value.replace(chr(10), chr(10) + ' ' * (width + 2))}")
