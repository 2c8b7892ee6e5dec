"""The guard: nothing else in this process may open a file that a store has open.

POSIX locks belong to the process: when *any* descriptor of a file is closed, all locks of the process on it are gone.
Another SQLite library, or a plain ``open``, would so take the locks from under our connections, and another process
could write into the middle of a transaction. An audit hook turns that silent corruption into an error.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from urllib.parse import unquote

_SUFFIXES = ("", "-wal", "-shm")
_paths: Counter[str] = Counter()
_names: frozenset[str] = frozenset()  # base names of the above: rules out nearly every event at once
_lock = threading.Lock()
_installed = False


def protect(path: str) -> None:
    """Refuse other openings of the database at this real path, until :func:`unprotect`."""
    global _installed
    with _lock:
        _paths.update(path + suffix for suffix in _SUFFIXES)
        _rename()
        if not _installed:
            sys.addaudithook(_audit)  # for good: hooks cannot be removed
            _installed = True


def unprotect(path: str) -> None:
    """Allow them again."""
    with _lock:
        _paths.subtract(path + suffix for suffix in _SUFFIXES)
        for name in [name for name, count in _paths.items() if count <= 0]:
            del _paths[name]
        _rename()


def protects(path: str) -> bool:
    """Whether this process has the database at this real path open as a store."""
    return path in _paths


def _rename() -> None:
    global _names
    _names = frozenset(os.path.basename(path) for path in _paths)


def _audit(event: str, args: tuple[object, ...]) -> None:
    if event != "open" and event != "sqlite3.connect":
        return
    if not _names or not args:
        return
    target = args[0]
    if isinstance(target, bytes):
        target = os.fsdecode(target)
    elif isinstance(target, os.PathLike):
        target = os.fspath(target)
    if isinstance(target, str):
        _refuse_protected(_plain(target) if event == "sqlite3.connect" else target)


def _plain(database: str) -> str:
    """The path of a SQLite URI."""
    if not database.startswith("file:"):
        return database
    path = unquote(database[5:].partition("?")[0])
    return path[2:] if path.startswith("///") else path


def _refuse_protected(path: str) -> None:
    if path.rpartition("/")[2] in _names and os.path.realpath(path) in _paths:
        raise RuntimeError(
            f"{path} is open as a Holdfast store in this process. Opening it here by other means would drop the "
            "store's file locks and may corrupt it: close the store first, or do it in another process"
        )
