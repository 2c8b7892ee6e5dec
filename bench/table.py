"""The report as a person reads it: a table in the terminal, a table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figure import Figure
from bench.report import Report

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_HEADINGS = ("what", "value", "held against", "its value", "ratio", "target", "met")
_PIPED_WIDTH = 180  # a pipe has no width of its own, and a wrapped table is hard to search
_METRIC = {True: "yes", False: "NO", None: ""}


def show(report: Report) -> None:
    """Print the report; without colours and wide enough when piped."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPED_WIDTH)
    console.print(_summary(report))
    table = Table(*_HEADINGS)
    for figure in report.figures:
        style = {True: "green", False: "red", None: ""}[figure.met]
        table.add_row(*_cells(figure), style=style)
    console.print(table)
    for skipped in report.skipped:
        console.print(f"skipped: {skipped.name}: {skipped.why}")
    if report.quick:
        console.print("--quick: these figures show that everything runs, and nothing else")


def markdown(report: Report) -> str:
    """The report as Markdown, notes included."""
    figures = [(*_cells(figure), figure.note) for figure in report.figures]
    skipped = [f"Skipped: {one.name}: {one.why}.\n" for one in report.skipped]
    return "\n".join([_summary(report), "", _markdown_table((*_HEADINGS, "note"), figures), *skipped])


def write(report: Report, page: Path) -> None:
    """Put the report between the two markers of a page.

    Raises:
        ValueError: the page does not have them, in this order.
    """
    text = page.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks {BEGIN} and {END}: put them where the table belongs")
    page.write_text(f"{head}{BEGIN}\n\n{markdown(report)}\n{END}{tail}", encoding="utf-8")


def _summary(report: Report) -> str:
    machine = ", ".join(f"{name}: {value}" for name, value in report.machine.items())
    versions = ", ".join(f"{one.name} {one.version}" for one in report.versions)
    return f"Machine: {machine}.\nVersions: {versions}."


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        f"{_number(figure.value)} {figure.unit}",
        figure.limit_name,
        "" if figure.limit_value is None else f"{_number(figure.limit_value)} {figure.unit}",
        "" if figure.ratio is None else f"{_number(figure.ratio)} ×",
        figure.target,
        _METRIC[figure.met],
    )


def _number(value: float) -> str:
    """Three digits that count, or all of a larger number."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
