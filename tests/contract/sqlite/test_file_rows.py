"""Rows of files when runs are forked, go back, or are deleted: what ``forks``, ``repairs`` and ``pruning`` call."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from holdfast.records.files import Chunk, FileInfo, FileKind
from holdfast.store.sqlite import files
from holdfast.store.sqlite.opening import migrations
from holdfast.store.sqlite.transaction import Transaction

DIGESTS = [bytes([number]) * 16 for number in range(4)]


@pytest.fixture
def db() -> Iterator[apsw.Connection]:
    db = apsw.Connection(":memory:")
    for _, script in migrations():
        db.execute(script)
    for rid, name in enumerate("abc", 1):
        fields = "id, agent, version, started_as, status, priority, ready_at, root, created_at, digest, input"
        db.execute(
            f"INSERT INTO runs (rid, {fields}) VALUES (?, ?, '', '', '', 'queued', 0, 0, '', 0, x'', x'')", (rid, name)
        )
    yield db
    db.close()


def file(path: str, seq: int, number: int) -> FileInfo:
    chunks = (Chunk(digest=DIGESTS[number], size=1),)
    return FileInfo(path=path, kind=FileKind.FILE, mode=0o600, size=1, seq=seq, chunks=chunks)


@pytest.fixture
def tx(db: apsw.Connection) -> Transaction:
    tx = Transaction(db)
    files.put_contents(tx, dict.fromkeys(DIGESTS, b"body"))
    files.put(tx, 1, [file("x", 1, 0), file("y", 1, 1)])
    files.put(tx, 1, [file("x", 3, 2), FileInfo(path="y", kind=FileKind.GONE, seq=3)])
    return tx


def test_a_fork_has_the_files_as_of_its_entry(db: apsw.Connection, tx: Transaction) -> None:
    files.copy(tx, 1, 2, 2)
    assert files.at(db, "b", None) == [file("x", 1, 0), file("y", 1, 1)]
    files.forget(tx, [1])
    assert files.sweep(tx, -1, 10) == 1, "only what neither has ever had"
    assert set(files.contents(db, DIGESTS)) == set(DIGESTS[:3])


def test_a_run_that_goes_back_has_the_files_that_it_had(db: apsw.Connection, tx: Transaction) -> None:
    files.cut(tx, 1, 3)
    assert files.at(db, "a", None) == [file("x", 1, 0), file("y", 1, 1)]
    assert files.sweep(tx, -1, 10) == 2


def test_deleted_runs_have_none_and_keep_no_content(db: apsw.Connection, tx: Transaction) -> None:
    files.put(tx, 3, [file("z", 1, 3)])
    files.forget(tx, [1, 2])
    assert files.at(db, "a", None) == []
    assert files.sweep(tx, -1, 10) == 3
    assert files.at(db, "c", None) == [file("z", 1, 3)]
