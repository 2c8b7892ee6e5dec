"""A look at a file that may be anything: missing, foreign, damaged, newer, locked. It changes and creates nothing.

SQLite itself is not as careful: even a read-only connection makes the ``-shm`` of a file in WAL mode, and rebuilds one
that a crash left behind. So a file that nobody has open is read as ``immutable``, and one with a WAL through a ``-shm``
that is mapped read-only (``readonly_shm``, with which SQLite indexes a left-behind WAL in its own memory).
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import apsw

from holdfast.errors import StoreBusy, StoreError, StoreUnusable
from holdfast.records.health import Contents, Finding, Look, Owned, Ready, Severity, Standing
from holdfast.records.run import Population, Status
from holdfast.records.worker import Hosted
from holdfast.store.rows import worker_of
from holdfast.store.sqlite import guard, place
from holdfast.store.sqlite.edge import edge
from holdfast.store.sqlite.opening import APPLICATION_ID, migrations, path_of
from holdfast.store.sqlite.statements import CONNECTION, HEALTH, RUNS

_BUSY_MS = 1_000
_CHECK_S = 5.0  # for the check of the file, unless it is to be deep
_READ_S = 10.0  # for everything else
_STEPS = 20_000  # of SQLite's virtual machine between two looks at the time
_TRIES = 3  # whoever opens or closes the file meanwhile may spoil one
_MAGIC = b"SQLite format 3\x00"
_HEADER = 100  # bytes; see https://www.sqlite.org/fileformat.html
_VERSIONS, _WAL_VERSIONS = slice(18, 20), b"\x02\x02"


class SqliteHealth:
    """A look at one file; see :class:`holdfast.store.base.Health`.

    Example:
        >>> SqliteHealth("sqlite:///claims.db").look().findings
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def look(self, *, deep: bool = False) -> Look:
        """See :class:`holdfast.store.base.Health`."""
        findings: list[Finding] = []
        contents: Contents | None = None
        try:
            path = path_of(self.url)
            in_wal_mode = _refuse_unreadable(path)
            findings += place.look_around(path)
            findings.append(_durability(path, in_wal_mode))
            contents = _look_inside(path, findings, deep=deep)
        except StoreBusy as error:
            findings.append(_problem(f"{error}", "look for the process that holds it, or run this again"))
        except StoreError as error:
            findings.append(_problem(f"{error}", "holdfast doctor --store URL, if another file is meant"))
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            findings.append(_problem(f"{self.url} cannot be read: {error}", "check the path and its permissions"))
        return Look(findings=tuple(findings), contents=contents)


def _problem(what: str, do: str) -> Finding:
    return Finding(severity=Severity.PROBLEM, about="store", what=what, do=do)


def _refuse_unreadable(path: Path) -> bool:
    """By plain reads, so that SQLite never touches what is not ours; says whether the file is in WAL mode.

    Unless this process has it open as a store: then reading it so would drop the store's locks.
    """
    if guard.protects(str(path)):
        return True
    if path.is_dir():
        raise StoreUnusable(f"{path} is a directory: name a file in it")
    if not path.exists():
        raise StoreUnusable(f"{path} does not exist: nothing was ever stored there. A worker makes it when it starts")
    if not path.is_file():  # reading from a pipe would wait for whoever writes to it
        raise StoreUnusable(f"{path} is no file but a pipe, a socket or a device: name a file")
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if not header:
        raise StoreUnusable(f"{path} is empty: nothing was ever stored there. A worker makes it a store when it starts")
    if not header.startswith(_MAGIC):
        raise StoreUnusable(f"{path} is no SQLite file, or its beginning is damaged: restore it from a backup")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise StoreUnusable(f"{path} belongs to another application")
    return header[_VERSIONS] == _WAL_VERSIONS


def _opening(path: Path) -> str:
    return f"holdfast runs list --store {shlex.quote(str(path))}"


def _durability(path: Path, in_wal_mode: bool) -> Finding:
    if in_wal_mode:
        return Finding(
            severity=Severity.OK, about="durability", what="write-ahead log; workers sync every commit (FULL)"
        )
    return Finding(
        severity=Severity.WARNING,
        about="durability",
        what="the file is not in WAL mode: making it was interrupted, or another program has changed it",
        do=f"open the store once, which sets it: {_opening(path)}",
    )


class _Way(NamedTuple):
    """How to read a file as it stands, and what tells whether it stood still meanwhile."""

    options: str
    stamp: tuple[int, ...]
    whole: bool  # whether all that was committed is seen


def _way_into(path: Path) -> _Way:
    wal, shm = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    stat = path.stat()
    if shm.exists() and wal.exists():
        return _Way("mode=ro&readonly_shm=1", (), whole=True)
    beside = [each for each in (wal, path.with_name(path.name + "-journal")) if each.exists() and each.stat().st_size]
    return _Way("mode=ro&immutable=1", (stat.st_size, stat.st_mtime_ns, len(beside)), whole=not beside)


def _look_inside(path: Path, findings: list[Finding], *, deep: bool) -> Contents | None:
    for left in reversed(range(_TRIES)):
        way, found = _way_into(path), list[Finding]()
        try:
            contents = _examine(path, way, found, deep=deep)
        except StoreError:
            if not left:
                findings += found
                raise
            continue
        if _way_into(path) == way:  # else somebody has opened or closed it meanwhile: what was read may be torn
            break
    findings += found
    return contents


def _examine(path: Path, way: _Way, findings: list[Finding], *, deep: bool) -> Contents | None:
    with edge(str(path)), _reading(path, way) as db:
        if not way.whole:
            findings.append(_unseen(path))
        schema = _schema(db.pragma("user_version"))
        findings.append(schema)
        with _within(db, None if deep else _CHECK_S):
            findings.append(_integrity(db, path, deep=deep))
        if schema.severity is Severity.PROBLEM:  # newer: what its columns mean is not known here
            return None
        with _within(db, _READ_S):
            return _contents(db, findings)


@contextmanager
def _reading(path: Path, way: _Way) -> Iterator[apsw.Connection]:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    db = apsw.Connection(f"file:{quote(str(path))}?{way.options}", flags=flags)
    try:
        db.set_busy_timeout(_BUSY_MS)
        db.execute(CONNECTION.begin_reading)
        yield db
    finally:
        db.close(True)


@contextmanager
def _within(db: apsw.Connection, seconds: float | None) -> Iterator[None]:
    """Interrupt what takes longer."""
    deadline = None if seconds is None else time.monotonic() + seconds
    db.set_progress_handler(lambda: deadline is not None and time.monotonic() > deadline, _STEPS)
    try:
        yield
    finally:
        db.set_progress_handler(None)


def _unseen(path: Path) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        about="durability",
        what=f"{path} has a -wal or -journal beside it that only opening the store brings in: it was not looked at",
        do=f"open the store once, then look again: {_opening(path)}",
    )


def _schema(found: int) -> Finding:
    known = migrations()[-1][0]
    if found > known:
        what = f"schema {found}, written by a newer Holdfast; this one knows up to {known}"
        do = "update Holdfast, or use the version that wrote it"
        return Finding(severity=Severity.PROBLEM, about="schema", what=what, do=do)
    if found < known:
        what = f"schema {found}; this Holdfast's is {known}, and whoever opens the store brings it up"
        do = "stop the workers of the older Holdfast first, then start those of this one"
        return Finding(severity=Severity.WARNING, about="schema", what=what, do=do)
    return Finding(severity=Severity.OK, about="schema", what=f"schema {found}, the newest")


def _integrity(db: apsw.Connection, path: Path, *, deep: bool) -> Finding:
    kind = "every page and index" if deep else "every page"
    try:
        said = [str(row[0]) for row in db.execute(HEALTH.integrity_check if deep else HEALTH.quick_check)]
    except apsw.InterruptError:
        what = f"no damage found in {_CHECK_S:g} s; the file is too large to be looked at whole in that time"
        return Finding(
            severity=Severity.NOTE, about="integrity", what=what, do="holdfast doctor --deep, at a quiet time"
        )
    except (apsw.CorruptError, apsw.NotADBError) as error:
        said = [str(error)]
    if said == ["ok"]:
        return Finding(severity=Severity.OK, about="integrity", what=f"{kind} is sound")
    return Finding(
        severity=Severity.PROBLEM,
        about="integrity",
        what=f"{path} is damaged: {'; '.join(said)[:500]}",
        do="stop the workers and restore the file from a backup; keep the damaged one, with its -wal",
    )


def _contents(db: apsw.Connection, findings: list[Finding]) -> Contents | None:
    try:
        return _read(db)
    except apsw.InterruptError:
        what = f"what is in it was not looked at: reading it takes more than {_READ_S:g} s"
        findings.append(
            Finding(severity=Severity.NOTE, about="runs", what=what, do="delete what nobody needs any more")
        )
    except (apsw.CorruptError, ValueError, TypeError) as error:
        what = f"what is in it cannot be read: {type(error).__name__}: {error}"
        do = "restore the file from a backup"
        findings.append(Finding(severity=Severity.PROBLEM, about="runs", what=what, do=do))
    return None


def _read(db: apsw.Connection) -> Contents:
    now = int(db.execute(CONNECTION.now).get)
    runs = tuple(
        Population(agent=agent, version=version, status=Status(status), count=count)
        for agent, version, status, count in db.execute(RUNS.population)
    )
    some = {
        status: tuple(id for (id,) in db.execute(HEALTH.some, (str(status),)))
        for status in {one.status for one in runs} & {Status.BLOCKED, Status.PAUSED}
    }
    return Contents(
        now=now,
        newest=int(db.execute(HEALTH.newest).get),
        workers=tuple(worker_of(row) for row in db.execute(HEALTH.workers)),
        owned=tuple(Owned(worker=worker, runs=count) for worker, count in db.execute(HEALTH.owned)),
        ready=tuple(
            Ready(hosted=Hosted(agent=agent, version=version), runs=count, since=since)
            for agent, version, count, since in db.execute(HEALTH.ready, {"now": now})
        ),
        runs=runs,
        blocked=some.get(Status.BLOCKED, ()),
        paused=some.get(Status.PAUSED, ()),
        waiting=tuple(Standing(id=id, agent=agent, since=since) for id, agent, since in db.execute(HEALTH.waiting)),
    )
