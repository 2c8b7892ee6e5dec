"""Shows a report: tables on a terminal, plain aligned text anywhere else."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.table import Table

from examples.claims.report import Count, Line, Report

RIGHT = frozenset({"claims", "damage", "payable", "paid", "to pay"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A titled table of text."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def show(report: Report, console: Console) -> None:
    """Print a report."""
    for sheet in sheets(report):
        if console.is_terminal:
            console.print(as_table(sheet))
        else:
            console.print(as_text(sheet), markup=False, highlight=False, soft_wrap=True)


def sheets(report: Report) -> Iterator[Sheet]:
    """Lay a report out, most important first."""
    yield _money("What is to be done", "decision", [*report.outcomes, report.total])
    yield _counted("Why claims need a person", "reason", report.reasons)
    yield _counted("What the reviewer advises a person to do next", "next", report.advice)
    yield _counted("Why claims are denied", "reason", report.denials)
    yield _counted("Price against what was paid", "comparison", report.comparisons)
    yield _counted("Findings", "finding", report.findings)
    yield _money("Causes with the most paid", "cause", report.causes)
    yield _money("States with the most paid", "state", report.states)
    yield _waiting(report)
    if report.failures:
        yield Sheet(title="Could not be assessed", columns=["claim"], rows=[[failure] for failure in report.failures])


def as_table(sheet: Sheet) -> Table:
    """Make a table for a terminal."""
    table = Table(title=sheet.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in sheet.columns:
        table.add_column(column, justify="right" if column in RIGHT else "left", overflow="fold")
    for row in sheet.rows:
        table.add_row(*row)
    return table


def as_text(sheet: Sheet) -> str:
    """Make aligned text."""
    table = [sheet.columns, *sheet.rows]
    widths = [max(len(row[at]) for row in table) for at in range(len(sheet.columns))]
    lines = [
        "  ".join(
            text.rjust(width) if column in RIGHT else text.ljust(width)
            for text, width, column in zip(row, widths, sheet.columns, strict=True)
        ).rstrip()
        for row in table
    ]
    return "\n".join([sheet.title, *(f"  {line}" for line in lines), ""])


def _money(title: str, of: str, lines: list[Line]) -> Sheet:
    rows = [
        [line.name, f"{line.claims:,}", *map(_usd, (line.damage, line.payable, line.paid, line.to_pay))]
        for line in lines
    ]
    return Sheet(title=f"{title} (USD)", columns=[of, "claims", "damage", "payable", "paid", "to pay"], rows=rows)


def _counted(title: str, of: str, counts: list[Count]) -> Sheet:
    rows = [[count.name.replace("_", " "), f"{count.claims:,}"] for count in counts]
    return Sheet(title=title, columns=[of, "claims"], rows=rows)


def _waiting(report: Report) -> Sheet:
    rows = [
        [one.claim_id, one.state, _usd(one.payable), _usd(one.paid), "; ".join(one.because), one.advice]
        for one in report.waiting
    ]
    columns = ["claim", "state", "payable", "paid", "because", "the reviewer's advice"]
    return Sheet(title="For a person, the largest first (USD)", columns=columns, rows=rows)


def _usd(amount: Decimal | None) -> str:
    return "?" if amount is None else f"{amount:,.0f}"
