"""Columns: records turned on their side, for statements that write many rows at once (``unnest``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.records.run import NewRun, Parent
from holdfast.store.postgres.text import stored, stored_or_none

Columns = tuple[Sequence[Any], ...]

_NOBODY = Parent(run_id="", key="")


def turned(rows: Sequence[tuple[Any, ...]], width: int) -> Columns:
    """The columns of rows; ``width`` empty ones if there are none."""
    return tuple(zip(*rows, strict=True)) if rows else ((),) * width


def of_runs(new: Sequence[NewRun]) -> Columns:
    """New runs as ``insert_runs`` takes them: a column per field, then the tags by the ids of their runs."""
    rows = [_row(run) for run in new]
    tags = list(dict.fromkeys((run.id, stored(tag)) for run in new for tag in run.tags))
    return (*turned(rows, 17), *turned(tags, 2))


def _row(run: NewRun) -> tuple[Any, ...]:
    place = run.parent or _NOBODY
    parent = None if run.parent is None else place.run_id
    return (
        run.id, run.agent, run.version, stored_or_none(run.key), run.priority, run.at, run.timeout, run.root,
        run.digest, run.input, parent, stored(place.key) if run.parent else None, place.detached, place.map, place.ord,
        place.branch, place.held,
    )  # fmt: skip
