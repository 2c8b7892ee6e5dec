"""Files of workspaces: recorded with entries, readable as of each of them, made of contents that come before."""

from __future__ import annotations

import pytest

from holdfast.codec import fingerprint
from holdfast.errors import StoreError
from holdfast.records.delta import Renew, Verdict
from holdfast.records.files import Chunk, FileInfo, FileKind
from holdfast.records.run import Run
from holdfast.store.base import Store
from tests.contract.making import Hand, delta, entry, finish

BODIES = [bytes([number]) * (number * 1000 + 1) for number in range(4)]
DIGESTS = [fingerprint(body) for body in BODIES]
CONTENTS = dict(zip(DIGESTS, BODIES, strict=True))


def file(path: str, seq: int, *numbers: int, mode: int = 0o640) -> FileInfo:
    chunks = tuple(Chunk(digest=DIGESTS[number], size=len(BODIES[number])) for number in numbers)
    size = sum(chunk.size for chunk in chunks)
    return FileInfo(path=path, kind=FileKind.FILE, mode=mode, size=size, seq=seq, chunks=chunks)


def gone(path: str, seq: int) -> FileInfo:
    return FileInfo(path=path, kind=FileKind.GONE, seq=seq)


async def record(worker: Hand, run: Run, seq: int, *files: FileInfo) -> None:
    assert await worker.commit(delta(run, entries=(entry(seq),), files=files)) == [Verdict.APPLIED]


async def test_files_are_what_was_recorded_last(store: Store, worker: Hand) -> None:
    run = await worker.started()
    log, link = file("log", 1, 1, 2), FileInfo(path="to", kind=FileKind.LINK, target="log", seq=1)
    folder = FileInfo(path="a", kind=FileKind.FOLDER, mode=0o755, seq=1)
    await record(worker, run, 1, log, folder, link, file("tmp", 1, 0))
    await record(worker, run, 2, gone("tmp", 2), file("log", 2, 1, 3))
    assert await store.files(run.id) == [folder, file("log", 2, 1, 3), link]
    assert await store.files("nobody") == []


async def test_files_as_of_an_entry(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await record(worker, run, 1, file("a", 1, 0), file("b", 1, 1))
    await record(worker, run, 2)
    await record(worker, run, 3, file("a", 3, 2), gone("b", 3))
    await record(worker, run, 4, file("b", 4, 3))
    assert await store.files(run.id, at=0) == []
    assert await store.files(run.id, at=1) == await store.files(run.id, at=2) == [file("a", 1, 0), file("b", 1, 1)]
    assert await store.files(run.id, at=3) == [file("a", 3, 2)]
    assert await store.files(run.id, at=99) == await store.files(run.id) == [file("a", 3, 2), file("b", 4, 3)]


async def test_a_refused_delta_changes_no_file(store: Store, worker: Hand) -> None:
    run = await worker.started()
    stale = delta(run, entries=(entry(1),), files=(file("a", 1, 0),))
    worker.lose_lease()
    other = await Hand.hire(store, "w2")
    await other.claim_one()
    with pytest.raises(StoreError):
        await worker.commit(stale)
    assert await store.files(run.id) == []


async def test_a_delta_with_ten_thousand_files_is_applied(store: Store, worker: Hand) -> None:
    run = await worker.started()
    many = [file(f"f{number:05}", 1, number % 4) for number in range(10_000)]
    await record(worker, run, 1, *many)
    assert await store.files(run.id) == many


async def test_contents_are_kept_once_and_found_by_digest(store: Store) -> None:
    await store.put_contents(CONTENTS)
    await store.put_contents(CONTENTS)
    assert await store.contents([*DIGESTS, b"unknown"]) == CONTENTS
    assert await store.contents([]) == {}


async def test_contents_that_no_file_refers_to_are_swept_when_they_are_old(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.put_contents(CONTENTS)
    await record(worker, run, 1, file("a", 1, 0))
    await record(worker, run, 2, file("a", 2, 1))
    assert await store.sweep_contents(age=60_000_000, limit=10) == 0, "somebody may be about to refer to them"
    assert await store.sweep_contents(age=-1, limit=1) == 1
    assert await store.sweep_contents(age=-1, limit=10) == 1
    left = await store.contents(DIGESTS)
    assert left.keys() == set(DIGESTS[:2]), "what a file had before is needed too: a fork may begin there"


async def test_a_run_that_begins_again_keeps_the_files_that_it_has(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.put_contents(CONTENTS)
    await record(worker, run, 1, file("a", 1, 0), file("b", 1, 1), file("c", 1, 2))
    await record(worker, run, 2, file("a", 2, 2), gone("b", 2))
    again = Renew(agent="adjust", version="1", input=b"next", digest=b"d2", carry=())
    await worker.commit(delta(run, again))
    assert await store.files(run.id, at=0) == [file("a", 0, 2), file("c", 0, 2)] == await store.files(run.id)
    assert await store.sweep_contents(age=-1, limit=10) == 3, "what it had before cannot be asked for any more"
    (claimed,) = await worker.claim()
    await record(worker, claimed.run, 1, file("a", 1, 3))
    assert await store.files(run.id) == [file("a", 1, 3), file("c", 0, 2)]


async def test_files_of_a_run_that_has_ended_can_be_read(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, finish(), entries=(entry(1),), files=(file("a", 1, 0),)))
    assert await store.files(run.id) == [file("a", 1, 0)]
