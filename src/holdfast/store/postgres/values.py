"""Rows to records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from holdfast import codec
from holdfast.errors import HoldfastError
from holdfast.records.journal import Entry, Group, Item, Kind, News, Op
from holdfast.records.run import Origin, Parent, Progress, Run, Status
from holdfast.store.postgres.text import read

Row = Sequence[Any]

_ENTRY_KINDS = {kind.value: kind for kind in Kind}
_OPS = {op.value: op for op in Op}


def run_of(row: Row) -> Run:
    """The run of a row of ``run_rows``."""
    (rid, id, agent, version, key, input, digest, status, priority, root,
     parent_rid, parent_id, parent_key, detached, map, ord, branch, held,
     epoch, worker, wakes, seen, wake_at, generation, lost,
     created_at, started_at, ended_at, deadline_at, cancel_at, cancel_reason,
     result, error, progress, entries,
     pause_at, ended_by, origin, origin_seq, seed, effects_as, tags) = row  # fmt: skip
    parent = None
    if parent_rid is not None:
        parent = Parent(
            run_id=parent_id, key=read(parent_key), detached=detached, map=map, ord=ord, branch=branch, held=held
        )
    return Run(
        rid=rid, id=id, agent=agent, version=version, key=key and read(key), input=input, digest=digest,
        status=Status(status), priority=priority, root=root, parent=parent, epoch=epoch, worker=worker, wakes=wakes,
        seen=seen,
        wake_at=wake_at, generation=generation, lost=lost, created_at=created_at, started_at=started_at,
        ended_at=ended_at, deadline_at=deadline_at, cancel_at=cancel_at, cancel_reason=read(cancel_reason),
        result=result, error=error, progress=_progress_of(progress), entries=entries,
        pause_at=pause_at, ended_by=ended_by,
        origin=None if origin is None else Origin(run_id=origin, seq=origin_seq, seed=seed, keys=effects_as),
        tags=tuple(read(tag) for tag in tags),
    )  # fmt: skip


def _progress_of(text: str | None) -> Progress | None:
    if text is None:
        return None
    done, total, message = json.loads(text)
    return Progress(done=done, total=total, message=message)


def progress_text(progress: Progress) -> str:
    """What the column ``progress`` holds."""
    return json.dumps([progress.done, progress.total, progress.message])


def error_text(error: bytes | None) -> str:
    """What a packed failure says, for a search that does not mind its case."""
    if error is None:
        return ""
    try:
        failed = codec.Failed.unpack(error)
    except (HoldfastError, ValueError):
        return ""  # sealed with a key that is not here, or damaged: it matches nothing
    return f"{failed.type_name}: {failed.message}".casefold()


def entry_of(row: Row) -> Entry:
    """The entry of a row of a journal."""
    _, seq, kind, op, key, at, ok, guarded, fingerprint, value, note, branch = row
    return Entry(
        seq=seq, kind=_ENTRY_KINDS[kind], op=_OPS[op], key=read(key), at=at, ok=ok, guarded=guarded,
        fingerprint=fingerprint, value=value, note=note, branch=branch,
    )  # fmt: skip


def item_of(row: Row) -> Item:
    """The item of a row that has its value."""
    map, ord, branch, seq, at, ok, value, within = row
    return Item(map=map, ord=ord, branch=branch, seq=seq, at=at, ok=ok, value=value, within=within)


def news_of(row: Row) -> News:
    """The news of a row."""
    _, wake, op, key, ok, value = row
    return News(wake=wake, op=_OPS[op], key=read(key), ok=ok, value=value)


def group_of(row: Row) -> Group:
    """The group of a row."""
    _, map, total, limit, every, first_failure, done, key = row
    return Group(map=map, total=total, limit=limit, every=every, first_failure=first_failure, done=done, key=read(key))
