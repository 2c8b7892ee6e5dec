"""The file itself: whose it is, who may open it, and what a failing disk leaves of it."""

# ruff: noqa: ASYNC220, ASYNC221, ASYNC240 - a test has its loop to itself and may block it

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from holdfast.errors import CommitUnknown, LeaseLost, StoreBusy, StoreUnusable
from holdfast.records.approval import Ruled
from holdfast.records.delta import Verdict
from holdfast.store.sqlite import SqliteStore
from holdfast.store.sqlite.file import CHECKPOINT_PAGES
from tests.contract.desk import ask, asked, ruling
from tests.contract.making import Hand, delta, entry, new_run


async def used(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.start([new_run("x")])
    await store.close()


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (a)")
    db.close()


async def refused(path: Path, match: str) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match=match):
        await SqliteStore.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["sqlite:///deep/er/a.db", "deep/er/a.db", "absolute"])
async def test_urls_and_paths_name_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.chdir(tmp_path)
    store = await SqliteStore.open(f"sqlite:///{tmp_path}/deep/er/a.db" if form == "absolute" else form)
    assert (tmp_path / "deep/er/a.db").exists()
    assert store.url == f"sqlite:///{tmp_path.resolve()}/deep/er/a.db"
    await store.close()
    await store.close()  # idempotent
    with pytest.raises(StoreUnusable, match="closed"):
        await store.get("x")


@pytest.mark.parametrize("url", ["sqlite://a.db", "sqlite:///", "postgresql://here/db"])
async def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(StoreUnusable, match="sqlite:///"):
        await SqliteStore.open(url)


async def test_without_create_the_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="does not exist"):
        await SqliteStore.open(tmp_path / "a.db", create=False)
    assert list(tmp_path.iterdir()) == []


async def test_a_foreign_database_is_left_as_it_is(tmp_path: Path) -> None:
    foreign(tmp_path / "a.db")
    await refused(tmp_path / "a.db", "another application")
    assert [one.name for one in tmp_path.iterdir()] == ["a.db"]
    (tmp_path / "a.db-sidecar").mkdir()  # even where a sidecar lies about
    await refused(tmp_path / "a.db", "another application")


async def test_what_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("dear diary\n" * 100)
    await refused(tmp_path / "a.db", "no SQLite file")
    (tmp_path / "dir").mkdir()
    with pytest.raises(StoreUnusable, match="directory"):
        await SqliteStore.open(tmp_path / "dir")


async def test_a_newer_schema_asks_for_a_newer_holdfast(tmp_path: Path) -> None:
    await used(tmp_path / "a.db")
    db = apsw.Connection(str(tmp_path / "a.db"))
    db.pragma("user_version", 9999)
    db.close()
    with pytest.raises(StoreUnusable, match="newer Holdfast"):
        await SqliteStore.open(tmp_path / "a.db")


async def test_damage_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await used(path)
    content = bytearray(path.read_bytes())
    content[200:] = b"\xff" * (len(content) - 200)
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match="damaged"):
        store = await SqliteStore.open(path)
        try:
            await store.count()
        finally:
            await store.close()


async def test_other_openings_in_this_process_are_refused_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = await SqliteStore.open(path)
    (tmp_path / "link.db").symlink_to(path)
    for attempt in (
        lambda: sqlite3.connect(path),
        lambda: sqlite3.connect(str(path)),
        lambda: sqlite3.connect(f"file:{path}?mode=ro", uri=True),
        lambda: sqlite3.connect(os.path.relpath(path)),
        lambda: path.read_bytes(),
        lambda: Path(f"{path}-wal").read_bytes(),
        lambda: os.open(os.fsencode(path), os.O_RDONLY),
        lambda: shutil.copy(path, tmp_path / "copy.db"),
    ):
        with pytest.raises(RuntimeError, match="close the store first"):
            attempt()
    elsewhere = [sys.executable, "-c", f"import sqlite3; sqlite3.connect({str(path)!r}).execute('SELECT * FROM runs')"]
    subprocess.run(elsewhere, check=True)
    await store.close()
    assert path.read_bytes()
    sqlite3.connect(path).close()


async def test_a_commit_of_unknown_outcome_is_settled_by_sending_it_again(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "a.db")
    worker = await Hand.hire(store, "w1")
    run = await worker.started()
    for point, seq in (("before-commit", 1), ("after-commit", 2)):

        def fail(at: str, point: str = point) -> None:
            if at == point:
                raise apsw.IOError("disk I/O error")

        store.fault = fail
        with pytest.raises(StoreBusy if point == "before-commit" else CommitUnknown):
            await worker.commit(delta(run, entries=(entry(seq),)))
        store.fault = None
        assert await worker.commit(delta(run, entries=(entry(seq),))) == [Verdict.APPLIED]
    assert [one.seq for one in await store.journal(run.id)] == [1, 2]
    await store.close()


async def test_a_ruling_whose_commit_is_of_unknown_outcome_is_found_out(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "a.db")
    worker = await Hand.hire(store, "w1")
    run = await worker.started()
    (approval,) = await ask(worker, run, asked("a1"))

    def fail(at: str) -> None:
        if at == "after-commit":
            store.fault = None
            raise apsw.IOError("disk I/O error")

    store.fault = fail
    assert await store.rule([ruling(approval)]) == [Ruled.APPLIED]
    assert store.fault is None
    assert await store.rule([ruling(approval, by="bob")]) == [Ruled.CLOSED]
    assert len(await store.audited(subject="a1")) == len(await store.news(run.rid, after=0)) == 1
    await store.close()


async def test_a_claim_that_cannot_be_read_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await SqliteStore.open(tmp_path / "a.db")
    worker = await Hand.hire(store, "w1")
    await store.start([new_run("x")])
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise apsw.IOError("disk I/O error")

        patch.setattr("holdfast.store.sqlite.history.claimed", fail)
        with pytest.raises(StoreBusy):
            await worker.claim()
    run = await worker.claim_one()
    assert (run.id, run.epoch) == ("x", 2)
    await store.close()


async def test_a_claim_of_unknown_outcome_is_given_up(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "a.db")
    worker = await Hand.hire(store, "w1")
    await store.start([new_run("x")])

    def fail(at: str) -> None:
        if at == "after-commit":
            raise apsw.IOError("disk I/O error")

    store.fault = fail
    with pytest.raises(CommitUnknown):
        await worker.claim()
    store.fault = None
    assert (await worker.claim_one()).id == "x"
    await store.close()


async def test_a_claim_whose_caller_was_cancelled_is_given_up(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "a.db")
    worker = await Hand.hire(store, "w1")
    await store.start([new_run("x")])
    claiming = asyncio.create_task(worker.claim(10_000))  # so many that it goes to the writer's thread
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    assert (await worker.claim_one()).id == "x"
    await store.close()


async def test_a_lease_that_expires_after_the_look_is_noticed_under_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await SqliteStore.open(tmp_path / "a.db")
    worker = await Hand.hire(store, "w1")
    await store.start([new_run("x")])
    worker.lose_lease()
    monkeypatch.setattr("holdfast.store.sqlite.claims.anything_to_do", lambda *_: True)
    with pytest.raises(LeaseLost):
        await worker.claim()
    await store.close()


async def test_a_real_disk_that_is_full(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting needs root")
    try:
        store = await SqliteStore.open(mount / "a.db")
        worker = await Hand.hire(store, "w1")
        run = await worker.started()
        ballast, acknowledged = mount / "ballast", 0
        ballast.write_bytes(b"x" * 1_000_000)
        with pytest.raises(StoreBusy, match="space"):
            for seq in range(1, 10_000):
                await worker.commit(delta(run, entries=(entry(seq, value=b"x" * 2000),)))
                acknowledged = seq
        ballast.unlink()
        assert await worker.commit(delta(run, entries=(entry(acknowledged + 1),))) == [Verdict.APPLIED]
        await store.close()
        store = await SqliteStore.open(mount / "a.db")
        assert len(await store.journal(run.id, limit=10_000)) == acknowledged + 1 > 10
        await store.close()
    finally:
        subprocess.run(["umount", str(mount)], check=True)


async def test_the_wal_is_checkpointed_in_passing(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "a.db")
    worker = await Hand.hire(store, "w1")
    run = await worker.started()
    for seq in range(1, 200):
        await worker.commit(delta(run, entries=(entry(seq, value=os.urandom(200_000)),)))
    pages = os.stat(tmp_path / "a.db-wal").st_size / 4096
    assert pages < 3 * CHECKPOINT_PAGES and os.stat(tmp_path / "a.db").st_size > 30_000_000
    await store.close()
    assert not (tmp_path / "a.db-wal").exists()


async def test_commits_are_durable_and_leases_cheap(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "a.db")
    writer = store._file._writer
    assert writer is not None and writer.pragma("synchronous") == 2 and writer.pragma("journal_mode") == "wal"
    keeper = store.keeper("w1", ttl=1)
    assert keeper._db.pragma("synchronous") == 1
    keeper.close()
    keeper.close()
    await store.close()


async def test_a_datagram_tells_long_before_polling_does(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = await SqliteStore.open(path)
    store._file.hub.poll_s = 3600
    watch = store.watch()
    script = f"""
import asyncio
from holdfast.store.sqlite import SqliteStore
from tests.contract.making import new_run
async def main():
    store = await SqliteStore.open({str(path)!r})
    await store.start([new_run("x")])
    await store.close()
asyncio.run(main())
"""
    starter = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[3])
    while await store.get("x") is None:
        await asyncio.wait_for(watch.wait(3600), 60)
    assert await asyncio.to_thread(starter.wait) == 0
    watch.close()
    await store.close()


async def test_polling_finds_what_no_datagram_told(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await used(path)
    store = await SqliteStore.open(path)
    watch = store.watch()
    for port in (tmp_path / "a.db-sidecar" / "ports").iterdir():
        port.unlink()  # so that nobody knows where to send them
    script = "import sys, sqlite3; db = sqlite3.connect(sys.argv[1]); db.execute('DELETE FROM workers'); db.commit()"
    await Hand.hire(store, "w1")
    await watch.wait(0)
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    while await store.workers():
        await asyncio.wait_for(watch.wait(3600), 60)
    with pytest.raises(LeaseLost):
        await store.commit("w1", 1, [])
    watch.close()
    await store.close()


async def test_ports_of_the_dead_are_cleaned_up(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    script = f"""
import asyncio, os
from holdfast.store.sqlite import SqliteStore
store = asyncio.run(SqliteStore.open({str(path)!r}))
store.watch()
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    ports = tmp_path / "a.db-sidecar" / "ports"
    (dead,) = ports.iterdir()
    store = await SqliteStore.open(path)
    watch = store.watch()
    (own,) = ports.iterdir()
    assert own.name != dead.name
    watch.close()
    assert list(ports.iterdir()) == []
    await store.close()
