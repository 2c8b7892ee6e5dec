"""Values in and out of columns: large ones apart, rows to records."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from holdfast import codec
from holdfast.errors import HoldfastError
from holdfast.records.journal import Entry, Group, Item, Kind, News, Op
from holdfast.records.run import Origin, Parent, Progress, Run, Status
from holdfast.store.sqlite.statements import CONNECTION
from holdfast.store.sqlite.transaction import Transaction

INLINE = 4096  # larger values live in blobs: rows that change often stay small

Stored = bytes | int  # a value itself, or the id of its blob
Row = tuple[Any, ...]

_KINDS = {kind.value: kind for kind in Kind}
_OPS = {op.value: op for op in Op}


def keep(tx: Transaction, rid: int, value: bytes) -> Stored:
    """What to write into a column for ``value``."""
    if len(value) <= INLINE:
        return value
    digest = blake2b(value, digest_size=16).digest()
    found = tx.value(CONNECTION.find_blob, (rid, digest))
    return int(tx.value(CONNECTION.insert_blob, (rid, digest, value)) if found is None else found)


def progress_text(progress: Progress | None) -> str | None:
    """What the column ``progress`` holds."""
    return None if progress is None else json.dumps([progress.done, progress.total, progress.message])


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
            run_id=parent_id, key=parent_key, detached=bool(detached), map=map, ord=ord, branch=branch, held=bool(held)
        )
    return Run(
        rid=rid, id=id, agent=agent, version=version, key=key, input=input, digest=digest, status=Status(status),
        priority=priority, root=root, parent=parent, epoch=epoch, worker=worker, wakes=wakes, seen=seen,
        wake_at=wake_at, generation=generation, lost=lost, created_at=created_at, started_at=started_at,
        ended_at=ended_at, deadline_at=deadline_at, cancel_at=cancel_at, cancel_reason=cancel_reason,
        result=result, error=error, progress=_progress_of(progress), entries=entries,
        pause_at=pause_at, ended_by=ended_by,
        origin=None if origin is None else Origin(run_id=origin, seq=origin_seq, seed=seed, keys=effects_as),
        tags=() if tags is None else tuple(sorted(tags.split("\n"))),
    )  # fmt: skip


def error_text(error: Any) -> str | None:
    """What a packed failure says, for a search that does not mind its case; for SQL, see ``opening.connect``."""
    if not isinstance(error, bytes):
        return None
    try:
        failed = codec.Failed.unpack(error)
    except (HoldfastError, ValueError):
        return ""  # sealed with a key that is not here, or damaged: it matches nothing
    return f"{failed.type_name}: {failed.message}".casefold()


def _progress_of(text: str | None) -> Progress | None:
    if text is None:
        return None
    done, total, message = json.loads(text)
    return Progress(done=done, total=total, message=message)


def entries_of(rows: Iterable[Row]) -> list[Entry]:
    """The entries of rows of ``journal_rows``."""
    return [
        Entry(
            seq=seq, kind=_KINDS[kind], op=_OPS[op], key=key, at=at, ok=ok == 1, guarded=guarded == 1,
            fingerprint=fingerprint, value=value, note=note, branch=branch,
        )
        for seq, kind, op, key, at, ok, guarded, fingerprint, value, note, branch in rows
    ]  # fmt: skip


def item_of(row: Row) -> Item:
    """The item of a row that has its value."""
    map, ord, branch, seq, at, ok, value, within = row
    return Item(map=map, ord=ord, branch=branch, seq=seq, at=at, ok=ok == 1, value=value, within=within)


def news_of(rows: Iterable[Row]) -> list[News]:
    """The news of rows of ``inbox_rows``."""
    return [News(wake=wake, op=_OPS[op], key=key, ok=bool(ok), value=value) for wake, op, key, ok, value in rows]


def groups_of(rows: Iterable[Row]) -> dict[int, Group]:
    """Groups by map."""
    return {
        map: Group(map=map, total=total, limit=limit, every=bool(every), first_failure=bool(first), done=done, key=key)
        for map, total, limit, every, first, done, key in rows
    }


def entry_row(tx: Transaction, rid: int, entry: Entry) -> tuple[Any, ...]:
    """A journal row."""
    return (
        rid, entry.seq, entry.kind, entry.op, entry.key, entry.at, entry.ok, entry.guarded, entry.branch,
        entry.fingerprint,
        entry.value if len(entry.value) <= INLINE else keep(tx, rid, entry.value),
        entry.note if len(entry.note) <= INLINE else keep(tx, rid, entry.note),
    )  # fmt: skip
