"""The turnstile: one writer at a time among processes, and in turn.

SQLite's own lock is polled by those who wait, so a busy process can starve the others. Here they wait in the kernel,
on two lock files. Whoever wants to write takes ``queue``, then ``turn``, then lets go of ``queue``. So the next in line
stands between the two: it gets the turn the moment it is free, and whoever has just had a turn must pass ``queue``
again, which the next in line still holds.

``flock`` belongs to the open file, not to the process (as POSIX locks do): several turnstiles of one process exclude
each other, and the kernel lets go when a process dies.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Turnstile:
    """One place in line; used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._queue = os.open(folder / "queue", flags, 0o666)
        self._turn = os.open(folder / "turn", flags, 0o666)

    def acquire(self) -> None:
        """Wait in line until it is our turn."""
        fcntl.flock(self._queue, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._queue, fcntl.LOCK_UN)

    def try_acquire(self) -> bool:
        """Take the turn if nobody has it and nobody waits; else leave everything as it is."""
        try:
            fcntl.flock(self._queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._queue, fcntl.LOCK_UN)
        return True

    def release(self) -> None:
        """Let the next in line go."""
        fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up the place, and the turn if it is ours."""
        os.close(self._queue)
        os.close(self._turn)
