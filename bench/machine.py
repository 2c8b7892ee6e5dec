"""What was measured on, and with which versions."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import apsw

from bench.figure import Version

_PAGE = b"\0" * 4096
_SYNCS = 200


def describe(place: Path) -> dict[str, str]:
    """Cores, memory, the file system and how long it takes to make a page durable."""
    place.mkdir(parents=True, exist_ok=True)
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "file system": _file_system(place),
        "fsync of a page": f"{_sync_seconds(place) * 1e6:.0f} µs",
    }


def versions() -> list[Version]:
    """Of Holdfast and what it stands on."""
    return [
        Version(name="holdfast", version=version("holdfast")),
        Version(name="Python", version=platform.python_version()),
        Version(name="apsw", version=apsw.apsw_version()),
        Version(name="SQLite", version=apsw.sqlite_lib_version()),
        Version(name="pydantic", version=version("pydantic")),
    ]


def _file_system(place: Path) -> str:
    """The type of the mount that a folder is on: the one with the longest path above it."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(len(point), kind) for point, kind in mounts if place.resolve().is_relative_to(point)]
    return max(above)[1] if above else "unknown"


def _sync_seconds(place: Path) -> float:
    probe = place / f"sync-{os.getpid()}"
    file = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return median(_sync_once(file, number * len(_PAGE)) for number in range(_SYNCS))
    finally:
        os.close(file)
        probe.unlink()


def _sync_once(file: int, offset: int) -> float:
    begun = time.perf_counter()
    os.pwrite(file, _PAGE, offset)
    os.fdatasync(file)
    return time.perf_counter() - begun
