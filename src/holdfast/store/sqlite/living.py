"""Files that stand for living processes: each is kept locked by the process that made it, for as long as it lives."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path


def claim(file: Path) -> int:
    """Make a file that stands for this process; it does for as long as the descriptor that this gives is open."""
    while True:
        mine = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(mine, fcntl.LOCK_EX)
        if os.fstat(mine).st_nlink:
            return mine
        os.close(mine)  # between the two, another process took it for that of a dead one, and removed it


def remove_dead(folder: Path, *, own: str = "") -> None:
    """Remove the files of those that died: their locks went with them. ``own`` is left alone."""
    for file in folder.iterdir():
        if file.name == own:
            continue
        with suppress(OSError):
            dead = os.open(file, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(dead, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(dead).st_nlink:  # else it is removed already, and the name may be a living one's by now
                    file.unlink()
            except BlockingIOError:
                pass
            finally:
                os.close(dead)
