"""A write transaction, as the modules that fill it see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from holdfast.store.sqlite.statements import CONNECTION

Bindings = Sequence[Any] | Mapping[str, Any]


class Transaction:
    """Statements on the write connection; ``stirred`` once something happened that others may wait for."""

    __slots__ = ("_now", "db", "stirred")

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self._now: int | None = None
        self.stirred = False

    def run(self, statement: str, bindings: Bindings = ()) -> None:
        """Execute."""
        self.db.execute(statement, bindings)

    def each(self, statement: str, rows: Sequence[Bindings]) -> None:
        """Execute once per row."""
        if rows:
            self.db.executemany(statement, rows)

    def rows(self, statement: str, bindings: Bindings = ()) -> list[Any]:
        """All rows."""
        return self.db.execute(statement, bindings).fetchall()

    def row(self, statement: str, bindings: Bindings = ()) -> Any:
        """The first row, None without one."""
        found = self.db.execute(statement, bindings).fetchall()
        return found[0] if found else None

    def value(self, statement: str, bindings: Bindings = ()) -> Any:
        """The first column of the first row, None without one."""
        found = self.row(statement, bindings)
        return None if found is None else found[0]

    def now(self) -> int:
        """The database's time, one for the whole transaction."""
        if self._now is None:
            self._now = int(self.value(CONNECTION.now))
        return self._now
