"""Files that stand for living processes: each is kept locked by the process that made it, for as long as it lives."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path


def remove_dead(folder: Path, *, own: str = "") -> None:
    """Remove the files of those that died: their locks went with them. ``own`` is left alone."""
    for file in folder.iterdir():
        if file.name == own:
            continue
        with suppress(OSError):
            claim = os.open(file, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink()
            except BlockingIOError:
                pass
            finally:
                os.close(claim)
