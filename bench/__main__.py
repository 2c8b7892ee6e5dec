"""``python -m bench``: measure, print one table, write one JSON file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import machine, table
from bench.figure import Line
from bench.one import Broken, measure_apart
from bench.plan import Plan
from bench.report import Report

MEASUREMENTS = (
    "throughput",
    "comparison",
    "growth",
    "resume",
    "bigmap",
    "starting",
    "children",
    "suspended",
    "approving",
    "postgres",
    "cluster",
)


def main(arguments: Sequence[str]) -> int:
    """Measure; 0 unless the bench itself breaks: a target that is missed is marked, no more."""
    options = _options().parse_args(arguments)
    plan = Plan(place=options.place, quick=options.quick, suspended=options.suspended, peers=not options.no_peers)
    lines: list[Line] = list(machine.versions())
    broken = False
    for name in options.only or MEASUREMENTS:
        print(f"measuring {name} …", file=sys.stderr)
        try:
            lines += measure_apart(name, plan)
        except Broken as error:
            print(error, file=sys.stderr)
            broken = True
    _publish(Report(machine=machine.describe(Path(plan.place)), lines=lines, quick=plan.quick), options)
    return int(broken)


def _publish(report: Report, options: argparse.Namespace) -> None:
    table.show(report)
    if options.json is not None:
        options.json.write_text(report.as_json(), encoding="utf-8")
    if options.write is not None:
        table.write(report, options.write)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What Holdfast costs; docs/performance.md")
    parser.add_argument(
        "--only", action="append", choices=MEASUREMENTS, help="measure this and nothing else (may be repeated)"
    )
    parser.add_argument("--quick", action="store_true", help="little work, to see that everything runs")
    parser.add_argument("--no-peers", action="store_true", help="leave out LangGraph, DBOS and Restate")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between the markers of a page")
    parser.add_argument(
        "--suspended", type=int, default=100_000, metavar="N", help="suspended runs (default: %(default)s)"
    )
    place = "a folder on the disk that is to be measured (default: %(default)s)"
    parser.add_argument("--place", default="build/bench", metavar="FOLDER", help=place)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
