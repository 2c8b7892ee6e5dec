"""A run of the bench as data: the machine, the versions, the figures, what was skipped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from bench import limit
from bench.figure import Figure, Line, Skipped, Version

FORMAT = 1
_KINDS: dict[str, type[Line]] = {"figure": Figure, "version": Version, "skipped": Skipped}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What the table shows."""

    machine: dict[str, str]
    lines: Sequence[Line]
    quick: bool = False

    @property
    def figures(self) -> list[Figure]:
        """What was measured."""
        return [line for line in self.lines if isinstance(line, Figure)]

    @property
    def versions(self) -> list[Version]:
        """Who took part."""
        return [line for line in self.lines if isinstance(line, Version)]

    @property
    def skipped(self) -> list[Skipped]:
        """Who did not."""
        return [line for line in self.lines if isinstance(line, Skipped)]

    def as_json(self) -> str:
        """The report as a JSON document."""
        document = {
            "format": FORMAT,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "quick": self.quick,
            "machine": self.machine,
            "versions": {one.name: one.version for one in self.versions},
            "limit": {
                "schemas": {schema.name: schema.sql for schema in (limit.BY_ID, limit.BY_NUMBER)},
                "settings": limit.SETTINGS,
                "rows_per_transaction": limit.PER_TRANSACTION,
            },
            "figures": [asdict(figure) for figure in self.figures],
            "skipped": [asdict(one) for one in self.skipped],
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def lines_as_json(lines: Sequence[Line]) -> str:
    """Lines, for :func:`lines_of` in another process."""
    return json.dumps([{"kind": _NAMES[type(line)]} | asdict(line) for line in lines])


def lines_of(text: str) -> list[Line]:
    """The lines of :func:`lines_as_json`."""
    return [_line(**one) for one in json.loads(text)]


def _line(*, kind: str, **fields: Any) -> Line:
    return _KINDS[kind](**fields)
