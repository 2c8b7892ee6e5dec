"""Files of workspaces: which a run has, and what they are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw

from holdfast.records.files import FileInfo, FileKind
from holdfast.store.filerows import KINDS, chunks_bytes, chunks_of, file_of
from holdfast.store.sqlite.statements import FILES
from holdfast.store.sqlite.transaction import Transaction

_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


def put(tx: Transaction, rid: int, changed: Sequence[FileInfo]) -> None:
    """Record what a delta says of a run's files."""
    tx.each(FILES.put, [_row(rid, file) for file in changed])
    _use(tx, rid, (chunk.digest for file in changed for chunk in file.chunks))


def at(db: apsw.Connection, run_id: str, seq: int | None) -> list[FileInfo]:
    """A run's files as of an entry, or as they are."""
    rows: Iterable[Any] = db.execute(FILES.at, (run_id, seq))
    return [file for file in map(file_of, rows) if file.kind is not FileKind.GONE]


def put_contents(tx: Transaction, contents: Mapping[bytes, bytes]) -> None:
    """Keep contents."""
    now = tx.now()
    tx.each(FILES.put_content, [(digest, now, body) for digest, body in contents.items()])


def contents(db: apsw.Connection, digests: Sequence[bytes]) -> dict[bytes, bytes]:
    """Contents by digest."""
    wanted = json.dumps([digest.hex() for digest in digests])
    return dict(db.execute(FILES.contents, (wanted,)))


def sweep(tx: Transaction, age: int, limit: int) -> int:
    """Delete contents that nobody refers to; says how many."""
    return len(tx.rows(FILES.sweep, {"before": tx.now() - age, "limit": limit}))


def collapse(tx: Transaction, rid: int) -> None:
    """The run begins again with the files that it has: forget their past."""
    for statement in (FILES.drop_older, FILES.drop_gone, FILES.renumber):
        tx.run(statement, (rid,))
    _use_again(tx, rid)


def cut(tx: Transaction, rid: int, seq: int) -> None:
    """The run goes back to before an entry: so do its files."""
    tx.run(FILES.cut, (rid, seq))
    _use_again(tx, rid)


def copy(tx: Transaction, rid: int, to: int, seq: int) -> None:
    """Give a run that has no files yet those of another, as of an entry."""
    tx.run(FILES.copy, {"from": rid, "to": to, "seq": seq})
    tx.run(FILES.copy_uses, {"from": rid, "to": to})


def forget(tx: Transaction, rids: Sequence[int]) -> None:
    """Runs are deleted: so are their files. Contents stay until they are swept."""
    listed = (json.dumps(list(rids)),)
    tx.run(FILES.forget, listed)
    tx.run(FILES.forget_uses, listed)


def _use(tx: Transaction, rid: int, digests: Iterable[bytes]) -> None:
    tx.each(FILES.use, [(rid, digest) for digest in dict.fromkeys(digests)])


def _use_again(tx: Transaction, rid: int) -> None:
    tx.run(FILES.drop_uses, (rid,))
    _use(tx, rid, (chunk.digest for (packed,) in tx.rows(FILES.chunks, (rid,)) for chunk in chunks_of(packed)))


def _row(rid: int, file: FileInfo) -> tuple[Any, ...]:
    return rid, file.path, file.seq, _NUMBERS[file.kind], file.mode, file.size, file.target, chunks_bytes(file)
