"""A look at a file tells how it is, whatever it is, and leaves everything as it was."""

# ruff: noqa: ASYNC220, ASYNC221, ASYNC240 - a test has its loop to itself and may block it

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from holdfast.records.delta import Block
from holdfast.records.health import Finding, Look, Severity
from holdfast.records.run import Population, Status
from holdfast.store.sqlite import SqliteHealth, SqliteStore, health, place
from holdfast.store.sqlite.opening import APPLICATION_ID, migrations
from tests.contract.making import AGENT, NOW, Hand, delta, entry, new_run

MACHINE = ("disk", "space")  # where the tests run may be in memory, or nearly full


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s p#a?c%e.db"  # what a URI would take apart


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files under a folder, with their modification times and contents."""
    return {
        str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in sorted(folder.rglob("*")) if file.is_file()
    }


def look(path: Path, *, deep: bool = False) -> Look:
    """A look that must leave everything as it was."""
    before = state(path.parent)
    found = SqliteHealth(str(path)).look(deep=deep)
    assert state(path.parent) == before
    return found


def bad(found: Look) -> list[Finding]:
    fine = (Severity.OK, Severity.NOTE)
    return [one for one in found.findings if one.severity not in fine and one.about not in MACHINE]


def finding(found: Look, about: str) -> Finding:
    (one,) = [one for one in found.findings if one.about == about]
    return one


async def fill(path: Path) -> None:
    store = await SqliteStore.open(path)
    hand = await Hand.hire(store, "w1")
    for number in range(3):
        run = await hand.started(id=f"run-{number}")
        if number == 1:
            await hand.commit(delta(run, Block(why=b"why"), entries=(entry(),)))
        else:
            await hand.suspend(run)
    await store.start([new_run("queued", agent="other")])
    await store.close()


async def test_a_store_that_nobody_has_open_is_fine(path: Path) -> None:
    await fill(path)
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}-sidecar"]
    found = look(path)
    assert bad(found) == []
    contents = found.contents
    assert contents is not None
    assert [worker.id for worker in contents.workers] == ["w1"]
    assert contents.blocked == ("run-1",) and contents.paused == ()
    assert [one.id for one in contents.waiting] == ["run-0", "run-2"]
    assert [(one.hosted.agent, one.runs, one.since) for one in contents.ready] == [("other", 1, NOW)]
    assert Population(agent=AGENT.agent, version="1", status=Status.BLOCKED, count=1) in contents.runs
    assert contents.newest == NOW
    assert finding(look(path, deep=True), "integrity").what == "every page and index is sound"


async def test_a_store_that_a_process_has_open_is_read_with_all_that_is_committed(path: Path) -> None:
    store = await SqliteStore.open(path)
    try:
        await store.start([new_run("r1")])
        inside = SqliteHealth(str(path)).look()  # by the process itself: its locks must survive that
        assert inside.contents is not None and len(inside.contents.runs) == 1
        await store.start([new_run("r2", agent="another")])
        script = (
            "import sys; from holdfast.store.sqlite import SqliteHealth; look = SqliteHealth(sys.argv[1]).look(); "
            "print(len(look.contents.runs), [one for one in look.findings if one.about == 'integrity'][0].severity)"
        )
        before = path.stat().st_mtime_ns
        said = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60)
        assert said.stdout.split() == ["2", "ok"], said
        assert before == path.stat().st_mtime_ns
        await store.start([new_run("r3")])
        assert await store.get("r3") is not None
    finally:
        await store.close()


async def test_what_a_crash_left_is_read_and_left_as_it_is(path: Path, tmp_path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.start([new_run("r1")])
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for suffix in ("", "-wal", "-shm"):
        subprocess.run(["cp", f"{path}{suffix}", crashed / f"{path.name}{suffix}"], check=True)
    shutil.copytree(f"{path}-sidecar", crashed / f"{path.name}-sidecar")
    await store.close()
    found = look(crashed / path.name)
    assert bad(found) == []
    assert found.contents is not None and len(found.contents.runs) == 1
    (crashed / f"{path.name}-shm").unlink()
    (told,) = bad(look(crashed / path.name))
    assert (told.about, told.severity) == ("durability", Severity.WARNING)
    assert "holdfast runs list --store" in told.do


def test_a_missing_file_is_a_problem_and_is_not_made(path: Path) -> None:
    (problem,) = look(path).findings
    assert problem.severity is Severity.PROBLEM
    assert "does not exist" in problem.what and problem.do
    assert list(path.parent.iterdir()) == []


def foreign(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=wal")
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.touch, "is empty"),
        (Path.mkdir, "is a directory"),
        (lambda path: path.write_bytes(b"this is no database" * 100), "is no SQLite file"),
        (lambda path: path.write_bytes(b"SQLite format 3\x00"), "belongs to another application"),
        (foreign, "belongs to another application"),
        (lambda path: path.symlink_to(path), "does not exist"),
        (os.mkfifo, "is no file but a pipe"),
    ],
)
def test_what_is_no_store_is_a_problem_and_stays_what_it_is(path: Path, make, words: str) -> None:
    make(path)
    names = sorted(os.listdir(path.parent))
    (problem,) = SqliteHealth(str(path)).look().findings
    assert problem.severity is Severity.PROBLEM
    assert words in problem.what and problem.do
    assert sorted(os.listdir(path.parent)) == names


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "oracle://x", "\x00"])
def test_a_url_that_names_no_file_is_a_problem(url: str) -> None:
    (problem,) = SqliteHealth(url).look().findings
    assert problem.severity is Severity.PROBLEM


async def test_a_damaged_page_is_found(path: Path) -> None:
    await fill(path)
    data = bytearray(path.read_bytes())
    for page in range(5, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xa5" * 200
    path.write_bytes(data)
    found = bad(look(path))
    assert found[0].about == "integrity" and "restore the file from a backup" in found[0].do


@pytest.mark.parametrize("size", [50, 100, 4096, 10_000])
async def test_a_truncated_file_is_a_problem(path: Path, size: int) -> None:
    await fill(path)
    os.truncate(path, size)
    found = bad(look(path))
    assert found and found[0].severity is Severity.PROBLEM


async def test_noise_anywhere_in_it_is_told_not_raised(path: Path) -> None:
    await fill(path)
    sound = path.read_bytes()
    for at in range(0, min(len(sound), 24 * 4096), 1777):
        path.write_bytes(sound[:at] + b"\xff\x00\xfe\x01" * 40 + sound[at + 160 :])
        SqliteHealth(str(path)).look()


async def test_a_newer_schema_is_a_problem_and_an_older_one_a_warning(path: Path) -> None:
    await fill(path)
    for version, severity in ((999, Severity.PROBLEM), (1, Severity.WARNING)):
        db = apsw.Connection(str(path))
        db.pragma("user_version", version)
        db.close()
        found = look(path)
        (told,) = bad(found)
        assert (told.about, told.severity) == ("schema", severity)
        assert (found.contents is None) == (version == 999)


def test_a_file_of_the_first_version_is_read(path: Path) -> None:
    db = apsw.Connection(str(path))
    number, script = migrations()[0]
    db.execute(script)
    db.pragma("application_id", APPLICATION_ID)
    db.pragma("user_version", number)
    db.close()
    found = look(path)
    assert found.contents is not None and found.contents.runs == ()
    assert [one.about for one in bad(found)] == ["durability", "schema"], "neither in WAL mode nor migrated"


async def test_a_file_that_somebody_holds_is_not_waited_for(path: Path) -> None:
    await fill(path)
    script = (
        "import apsw, sys; db = apsw.Connection(sys.argv[1]); db.pragma('locking_mode', 'exclusive'); "
        "db.execute('BEGIN EXCLUSIVE'); db.execute('CREATE TABLE held (x)'); "
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    SqliteHealth(str(path)).look()  # comes back, though it is held until the next line
    holder.communicate()


async def test_a_writer_at_work_does_not_disturb_it(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.start([new_run("r1")])
    script = (
        "import apsw, sys; db = apsw.Connection(sys.argv[1]); db.execute('BEGIN IMMEDIATE'); "
        "db.execute(\"UPDATE runs SET priority = 9\"); print('writing', flush=True); sys.stdin.read()"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None and writer.stdout.readline() == "writing\n"
    found = SqliteHealth(str(path)).look()
    assert found.contents is not None and bad(found) == []
    writer.communicate()
    await store.close()


async def test_a_check_that_takes_long_is_cut_short_unless_it_is_to_be_deep(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    monkeypatch.setattr(health, "_CHECK_S", -1.0)
    monkeypatch.setattr(health, "_STEPS", 1)
    assert finding(look(path), "integrity").severity is Severity.NOTE
    assert finding(look(path, deep=True), "integrity").severity is Severity.OK
    monkeypatch.setattr(health, "_READ_S", -1.0)
    found = look(path)
    assert found.contents is None and "was not looked at" in finding(found, "runs").what


MOUNTS = r"""
25 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 25 0:50 / /mnt/team rw - nfs4 server:/team rw
41 40 0:51 / /mnt/team/local rw shared:5 - xfs /dev/vdb rw
42 25 0:52 / /mnt/with\040space rw - tmpfs tmpfs rw
43 25 0:53 / /over rw - ext4 /dev/vdc rw
44 25 0:54 / /over rw - overlay overlay rw
""".strip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/claims.db", "ext4"),
        ("/mnt/team/claims.db", "nfs4"),
        ("/mnt/teamwork/claims.db", "ext4"),
        ("/mnt/team/local/x/claims.db", "xfs"),
        ("/mnt/with space/claims.db", "tmpfs"),
        ("/over/claims.db", "overlay"),
    ],
)
def test_the_file_system_is_the_one_mounted_last_and_deepest(path: str, kind: str) -> None:
    assert place.file_system_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize(
    ("kind", "severity"),
    [("nfs4", Severity.PROBLEM), ("tmpfs", Severity.WARNING), ("overlay", Severity.NOTE), ("ext4", Severity.OK)],
)
async def test_a_file_system_that_loses_data_is_told(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, severity: Severity
) -> None:
    await fill(path)
    mounts = tmp_path.parent / f"mounts-{kind}"
    mounts.write_text(f"25 1 254:0 / / rw,relatime - {kind} dev rw\n")
    monkeypatch.setattr(place, "_MOUNTS", mounts)
    assert finding(look(path), "disk").severity is severity
    monkeypatch.setattr(place, "_MOUNTS", tmp_path / "nowhere")
    assert finding(look(path), "disk").severity is Severity.OK


async def test_little_space_and_a_long_wal_are_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(path)
    monkeypatch.setattr(place, "_MOUNTS", path.parent / "nowhere")  # tests may be in memory, which is told as well
    usage = shutil.disk_usage(path.parent)
    for free, severity in ((0, Severity.PROBLEM), (place._LITTLE, Severity.OK)):
        monkeypatch.setattr(shutil, "disk_usage", lambda where, free=free: usage._replace(free=free))
        assert finding(look(path), "space").severity is severity
    path.with_name(path.name + "-wal").touch()
    os.truncate(path.with_name(path.name + "-wal"), place._LONG_WAL + 1)
    assert next(place.look_around(path)).severity is Severity.OK
    assert [one.severity for one in place.look_around(path) if one.about == "wal"] == [Severity.WARNING]


async def test_a_sidecar_that_is_gone_while_the_store_is_open_is_a_problem(path: Path) -> None:
    store = await SqliteStore.open(path)
    shutil.move(f"{path}-sidecar", f"{path}-elsewhere")
    assert finding(SqliteHealth(str(path)).look(), "sidecar").severity is Severity.PROBLEM
    shutil.move(f"{path}-elsewhere", f"{path}-sidecar")
    await store.close()
    shutil.rmtree(f"{path}-sidecar")
    assert finding(look(path), "sidecar").severity is Severity.NOTE


async def test_what_this_user_may_not_write_is_a_problem(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(path)
    turn = path.with_name(path.name + "-sidecar") / "turn"
    monkeypatch.setattr(os, "access", lambda where, mode: Path(where) != turn)  # root may do everything
    told = finding(look(path), "sidecar")
    assert told.severity is Severity.PROBLEM
    assert str(turn) in told.what and "chmod u+rw" in told.do
