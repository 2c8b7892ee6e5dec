"""``python -m bench`` measures all that it promises, and holds each figure against its limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.figure import Figure, Measured, Skipped, Version
from bench.report import Report, lines_as_json, lines_of
from bench.table import BEGIN, END, write

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)  # whichever comes first waits for all that is measured
TARGETS = [  # what is held against what, in the table's order
    ("side by side", "20 runs × 10 steps of 100 bytes", "raw limit", "≥ 0.2 ×"),
    ("alone", "one run, 50 steps in a row", "raw single-row commits", "≥ 0.6 ×"),
    ("bytes", "a run of 100 steps, 1 KB each: on disk", "payload", "≤ 2 ×"),
    ("late steps", "a run of 100 steps, 1 KB each: step 100", "step 20", "≤ 1.3 ×"),
    ("resume", "resume of 100 recorded steps", "bound", "≤ 0.2 s"),
    ("map", "resume of a map of 200 items, 199 done", "bound", "≤ 1 s"),
    ("map's memory", "resume of a map of 200 items, 199 done: memory", "bound", "≤ 20 MB"),
    ("starts", "start of 100 runs in one call", "bound", "≤ 1 s"),
    ("children awaited", "5 children each of 3 parents, awaited with gather", "bound", "≥ 5,000 children/s"),
    ("children mapped", "5 children each of 3 parents, in ctx.map", "bound", "≥ 5,000 children/s"),
    ("one parent", "one parent, 50 children in ctx.map: activations", "bound", "≤ 10 activations"),
    ("p50", "300 suspended runs: wake one, p50", "bound", "≤ 5 ms"),
    ("p99", "300 suspended runs: wake one, p99", "bound", "≤ 30 ms"),
    ("postgres", "PostgreSQL: 20 runs × 10 steps of 100 bytes", "raw limit (unnest)", "≥ 0.25 ×"),
    ("postgres children", "PostgreSQL: 5 children each of 3 parents", "bound", "≥ 3,000 children/s"),
    ("postgres growth", "PostgreSQL: 300 suspended runs: wake one, p50", "50 suspended", "≤ 2 ×"),
    ("workers", "PostgreSQL: 40 runs × 5 steps in 4 workers", "one worker", "≥ 1.5 ×"),
    ("ledger", "PostgreSQL: 40 runs × 5 steps in 4 workers: executed", "asked for", "≤ 1 ×"),
    ("postgres p50", "PostgreSQL: from resolve to the next durable step elsewhere, p50", "bound", "≤ 10 ms"),
    ("postgres p99", "PostgreSQL: from resolve to the next durable step elsewhere, p99", "bound", "≤ 60 ms"),
]
COSTS = [
    "a step with a result of 100 bytes: on disk",
    "one parent, 50 children in ctx.map",
    "a run in memory: memory",
    "a suspended run: memory",
    "a suspended run: on disk",
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON file of one quick run."""
    folder = tmp_path_factory.mktemp("bench")
    options = ["--quick", "--no-peers", "--json", str(folder / "bench.json"), "--place", str(folder / "stores")]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *options], cwd=ROOT, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    assert "these figures show that everything runs" in done.stdout
    assert not list((folder / "stores").iterdir()), "databases were left behind"
    written: dict[str, Any] = json.loads((folder / "bench.json").read_text("utf-8"))
    return written


@pytest.mark.parametrize(("name", "limit", "target"), [row[1:] for row in TARGETS], ids=[row[0] for row in TARGETS])
def test_each_target_is_held_against_its_limit(report: dict[str, Any], name: str, limit: str, target: str) -> None:
    (figure,) = [one for one in report["figures"] if (one["name"], one["limit_name"]) == (name, limit)]
    assert figure["target"] == target
    assert figure["value"] > 0
    assert figure["limit_value"] > 0
    assert figure["ratio"] == pytest.approx(figure["value"] / figure["limit_value"])
    assert figure["met"] in (True, False)


def test_what_a_run_costs_is_there_too(report: dict[str, Any]) -> None:
    assert set(COSTS) <= {figure["name"] for figure in report["figures"]}


def test_the_machine_the_versions_and_the_limit_are_named(report: dict[str, Any]) -> None:
    assert {"cores", "file system", "fsync of a page"} <= set(report["machine"])
    assert {"holdfast", "apsw", "SQLite", "Python"} <= set(report["versions"])
    assert "run TEXT NOT NULL" in report["limit"]["schemas"]["raw limit"]
    assert report["limit"]["settings"] == {"journal_mode": "wal", "synchronous": "full"}
    assert report["limit"]["rows_per_transaction"] == 200


def test_no_step_is_executed_twice_by_four_workers(report: dict[str, Any]) -> None:
    (figure,) = [one for one in report["figures"] if one["name"].endswith("in 4 workers: executed")]
    assert (figure["value"], figure["limit_value"]) == (200, 200)
    assert figure["note"].endswith("repeated: 0")


def test_peers_that_are_left_out_are_named(report: dict[str, Any]) -> None:
    names = [one["name"].split(",")[0] for one in report["skipped"]]
    assert names == ["LangGraph", "DBOS", "Restate", "PostgreSQL: DBOS"]
    assert all(one["why"] for one in report["skipped"])


def test_a_target_that_is_missed_is_marked() -> None:
    measured = Measured(name="x", value=10.0, unit="steps/s")
    assert measured.at_least(0.2, "raw", 50.0).met is True
    assert measured.at_least(0.2, "raw", 50.1).met is False
    assert measured.at_most(2.0, "raw", 5.0).met is True
    assert measured.at_most(2.0, "raw", 4.9).met is False
    assert (measured.below(9.0).met, measured.above(10.0).met, measured.beside("raw", 1.0).met) == (False, True, None)


def test_lines_come_back_from_another_process_as_they_were() -> None:
    lines = [
        Measured(name="x", value=1.5, unit="s", note="n").below(2.0),
        Version(name="SQLite", version="3"),
        Skipped(name="DBOS", why="not here"),
    ]
    assert lines_of(lines_as_json(lines)) == lines


def test_the_table_goes_between_the_markers_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    figure = Figure(name="steps | s", value=1234.5, unit="steps/s", limit_name="raw", limit_value=10.0, ratio=123.45)
    write(Report(machine={"cores": "2"}, lines=[figure]), page)
    text = page.read_text("utf-8")
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "| steps \\| s | 1,234 steps/s | raw | 10 steps/s | 123 × |" in text
    page.write_text("no markers", "utf-8")
    with pytest.raises(ValueError, match="lacks"):
        write(Report(machine={}, lines=[figure]), page)
