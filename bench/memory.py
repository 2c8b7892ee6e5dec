"""What this process holds, in bytes."""

from __future__ import annotations

import gc
import os
from pathlib import Path

_STATM, _STATUS, _CLEAR = Path("/proc/self/statm"), Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # man 5 proc: sets VmHWM back to the present size


def resident() -> int:
    """Resident memory, after a collection."""
    gc.collect()
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def forget_peak() -> None:
    """Count the peak from now on."""
    _CLEAR.write_text(_RESET_PEAK)


def peak() -> int:
    """The most that was resident since :func:`forget_peak`."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def on_disk(folder: Path) -> int:
    """Sizes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
