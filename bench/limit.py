"""The raw limit: what a journal would cost if there were nothing but the disk, SQLite and one table.

The run ids, keys and payloads that Holdfast records, appended by rowid with an index by run, through apsw, in WAL mode
with ``synchronous=FULL``; everything else as SQLite has it. Rows are made, ready to be bound, before the clock starts.

Holdfast's own journal refers to a run by a number instead of its id; :data:`BY_NUMBER` is the limit of that schema,
shown beside the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

PER_TRANSACTION = 200
KEY = "work#{}"
SETTINGS = {"journal_mode": "wal", "synchronous": "full"}

Row = tuple[str | int, str, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """A table to append to."""

    name: str
    run_type: str

    @property
    def sql(self) -> str:
        """What makes the table."""
        return (
            f"CREATE TABLE journal (id INTEGER PRIMARY KEY, run {self.run_type} NOT NULL, key TEXT NOT NULL, "
            "payload BLOB NOT NULL) STRICT; CREATE INDEX journal_run ON journal (run)"
        )

    def rows(self, runs: Sequence[str], steps: int, payload: bytes) -> list[Row]:
        """What so many runs record that go on side by side: each its first step, then each its second …."""
        ids: Iterable[str | int] = runs if self.run_type == "TEXT" else range(1, len(runs) + 1)
        return [(run, KEY.format(step), payload) for step in range(1, steps + 1) for run in ids]


BY_ID = Schema(name="raw limit", run_type="TEXT")
BY_NUMBER = Schema(name="raw limit by row number", run_type="INTEGER")

_APPEND = "INSERT INTO journal (run, key, payload) VALUES (?, ?, ?)"


def rows_per_second(folder: Path, schema: Schema, rows: Sequence[Row], *, each: int = PER_TRANSACTION) -> float:
    """Append rows, ``each`` per transaction."""
    db = _open(folder / f"limit-{time.monotonic_ns()}.db", schema)
    try:
        begun = time.perf_counter()
        for first in range(0, len(rows), each):
            db.execute("BEGIN IMMEDIATE")
            db.executemany(_APPEND, rows[first : first + each])
            db.execute("COMMIT")
        return len(rows) / (time.perf_counter() - begun)
    finally:
        db.close()


def _open(path: Path, schema: Schema) -> apsw.Connection:
    db = apsw.Connection(str(path))
    for setting, value in SETTINGS.items():
        db.pragma(setting, value)
    db.execute(schema.sql)
    return db
