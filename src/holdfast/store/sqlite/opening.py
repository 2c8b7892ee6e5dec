"""Opening a file: whose it is, how far its schema has come, and the connections to it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import apsw

from holdfast.errors import StoreUnusable
from holdfast.store.sqlite.edge import edge
from holdfast.store.sqlite.statements import CONNECTION
from holdfast.store.sqlite.values import error_text

APPLICATION_ID = 0x484F4C44  # "HOLD": marks the file as ours (PRAGMA application_id)
BUSY_MS = 5_000  # how long to wait for foreign writers, who do not take the turnstile
_MAGIC = b"SQLite format 3\x00"
_MIGRATIONS = Path(__file__).parent / "migrations"
_WAL_LIMIT = 64 << 20  # the WAL is cut to this after a checkpoint that followed a burst


def path_of(url: str | os.PathLike[str]) -> Path:
    """The real path of a ``sqlite:///relative.db`` or ``sqlite:////absolute.db`` URL, or of a plain path."""
    text = os.fspath(url)
    if text.startswith("sqlite:"):
        if not text.startswith("sqlite:///") or text == "sqlite:///":
            raise StoreUnusable(f"{text!r} names no file: write sqlite:///relative.db or sqlite:////absolute.db")
        text = text.removeprefix("sqlite:///")
    elif re.match(r"[a-z+]+://", text):
        raise StoreUnusable(f"{text!r} is not a SQLite store: write sqlite:///relative.db or a path")
    return Path(os.path.realpath(text))


def prepare_folder(path: Path, *, create: bool) -> Path:
    """Make the folder of the database and its sidecar folder, which holds the turnstile and the watchers' ports."""
    if not create and not path.exists():
        raise StoreUnusable(f"{path} does not exist")
    sidecar = path.with_name(path.name + "-sidecar")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(path, sidecar)
        (sidecar / "ports").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnusable(f"{path} cannot be opened: {error}. Check the path and its permissions") from error
    return sidecar


def _refuse_foreign(path: Path, sidecar: Path) -> None:
    """Look at the header with plain reads: SQLite itself might recover, and so modify, a file that is not ours.

    Called only while this process has not opened the file (see ``guard``).
    """
    if path.is_dir():
        raise StoreUnusable(f"{path} is a directory: name a file in it")
    if not path.exists():
        return
    with path.open("rb") as file:
        header = file.read(100)
    if not header or int.from_bytes(header[68:72], "big") == APPLICATION_ID or sidecar.exists():
        # New, or ours. With a sidecar: ours, or being made ours just now (the sidecar comes before the first byte), so
        # that the header may be half written; `migrate` looks again in its turn.
        return
    what = "belongs to another application" if header.startswith(_MAGIC) else "is no SQLite file"
    raise StoreUnusable(f"{path} {what}. Choose another path; it was left as it is")


def migrate(path: Path) -> None:
    """Bring the file to the newest schema. Under the turnstile: several processes may open a new file at once."""
    with edge(str(path)):
        try:
            db = apsw.Connection(str(path))
        except apsw.CantOpenError as error:
            raise StoreUnusable(f"{path} cannot be opened ({error}). Check the path and its permissions") from error
        try:
            db.set_busy_timeout(BUSY_MS)
            _check_owner(db, path)
            # Of use only before the first table: lets deleted rows' pages go back to the disk a few at a time.
            db.pragma("auto_vacuum", "incremental")
            for number, script in _pending(db, path):
                _apply(db, number, script)
            # In WAL mode from here on; a process that died before this line left a sound file in the other mode.
            db.pragma("journal_mode", "wal")
        finally:
            db.close()


def _check_owner(db: apsw.Connection, path: Path) -> None:
    found = db.pragma("application_id")
    if found == APPLICATION_ID:
        return
    if found != 0 or db.execute(CONNECTION.schema_objects).get:
        raise StoreUnusable(f"{path} belongs to another application. Choose another path; it was left as it is")


def migrations() -> list[tuple[int, str]]:
    """All migrations, in order."""
    return [(int(file.name[:4]), file.read_text(encoding="utf-8")) for file in sorted(_MIGRATIONS.glob("*.sql"))]


def _pending(db: apsw.Connection, path: Path) -> list[tuple[int, str]]:
    known, version = migrations(), db.pragma("user_version")
    if version > known[-1][0]:
        raise StoreUnusable(
            f"{path} has schema {version}, written by a newer Holdfast; this one knows up to {known[-1][0]}. "
            "Update Holdfast, or open the file with the version that wrote it"
        )
    return [(number, script) for number, script in known if number > version]


def _apply(db: apsw.Connection, number: int, script: str) -> None:
    db.execute(CONNECTION.begin)
    try:
        db.execute(script)
        db.pragma("application_id", APPLICATION_ID)  # with the first tables: no file of ours is ever without it
        db.pragma("user_version", number)
        db.execute(CONNECTION.commit)
    except BaseException:
        if db.in_transaction:
            db.execute(CONNECTION.roll_back)
        raise


def connect(path: Path, *, write: bool, durable: bool = True) -> apsw.Connection:
    """A connection to a migrated file. It may move between threads, one at a time."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=200)
    try:
        db.set_busy_timeout(BUSY_MS)
        db.pragma("synchronous", "full" if durable else "normal")
        db.pragma("journal_size_limit", _WAL_LIMIT)
        db.wal_autocheckpoint(0)  # checkpoints are taken under the turnstile
        db.create_scalar_function("error_text", lambda *given: error_text(given[0]), 1)
        if not write:
            db.pragma("query_only", True)
    except BaseException:
        db.close()
        raise
    return db
