"""Where tests write: in memory, where there is room for it. What a process has written before it is killed is there
afterwards, as on a disk; only when the power fails would it not be, and no test has that happen.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM = 2 * 2**30  # bytes; many times what tests leave until they have passed
_REMEMBERED = "HOLDFAST_TEST_DISK"  # for the processes that tests start

DISK = Path(os.environ.get(_REMEMBERED) or tempfile.gettempdir())
"""A folder on the disk, for what needs one: servers that could fill the memory, and whatever is about the disk."""


def write_in_memory() -> None:
    """Have temporary folders made in memory, by this process and those that it starts, unless $TMPDIR says where."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ROOM:
        return
    os.environ[_REMEMBERED] = str(DISK)
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)
