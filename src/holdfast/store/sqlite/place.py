"""Where a file lies: the file system, the space on it, and the files beside the database."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from holdfast.records.health import Finding, Severity

_MOUNTS = Path("/proc/self/mountinfo")  # Linux; elsewhere nobody says
_NETWORK = frozenset(
    "9p afs beegfs ceph cifs fuse.glusterfs fuse.sshfs glusterfs gpfs lustre ncpfs nfs nfs4 smb3 smbfs virtiofs".split()
)
_MEMORY = frozenset({"ramfs", "tmpfs"})
_OCTAL = re.compile(r"\\([0-7]{3})")  # how spaces and the like are written there

MB = 2**20
_LITTLE = 64 * MB  # less free space than this and commits fail soon: the WAL alone may need it
_LONG_WAL = 256 * MB  # four times what a WAL is cut to after a checkpoint


def look_around(path: Path) -> Iterator[Finding]:
    """What can be said of a database file without opening it."""
    yield _file_system(path)
    yield _space(path)
    yield _wal(path)
    yield from _beside(path)


def file_system_of(path: Path, mounts: str) -> str:
    """The type of the file system that a path is on; empty if nobody says.

    Args:
        path: a real one.
        mounts: in the format of ``/proc/self/mountinfo``, see proc_pid_mountinfo(5).
    """
    best, found = -1, ""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        place = Path(_OCTAL.sub(lambda octal: chr(int(octal[1], 8)), fields.split(" ")[4]))
        if path.is_relative_to(place) and len(place.parts) >= best:  # later mounts hide earlier ones
            best, found = len(place.parts), rest.split(" ")[0]
    return found


def _file_system(path: Path) -> Finding:
    try:
        kind = file_system_of(path, _MOUNTS.read_text(errors="replace"))
    except OSError:
        kind = ""
    if kind in _NETWORK:
        return Finding(
            severity=Severity.PROBLEM,
            about="disk",
            what=f"{path} is on a file system shared over a network ({kind}): its locks do not keep writers apart",
            do="stop the workers and move the file, with its -wal, to a local disk",
        )
    if kind in _MEMORY:
        what = f"{path} is in memory ({kind}): it is gone when the machine stops"
        return Finding(severity=Severity.WARNING, about="disk", what=what, do="move it to a disk if it is to last")
    if kind == "overlay":
        what = f"{path} is in a container's own layer: it is gone when the container is deleted"
        return Finding(severity=Severity.NOTE, about="disk", what=what, do="put it on a volume if it is to last")
    return Finding(severity=Severity.OK, about="disk", what=f"a local file system{f' ({kind})' if kind else ''}")


def _space(path: Path) -> Finding:
    free, size = shutil.disk_usage(path.parent).free, path.stat().st_size
    what = f"{free // MB:,} MB free; the file has {size / MB:,.1f} MB"
    if free < _LITTLE:
        do = "free some space: commits fail when there is none, and nothing that was acknowledged is lost"
        return Finding(severity=Severity.PROBLEM, about="space", what=what, do=do)
    if free < size:
        do = "make room: a backup on this disk would not fit, and nor would the file at twice its size"
        return Finding(severity=Severity.WARNING, about="space", what=what, do=do)
    return Finding(severity=Severity.OK, about="space", what=what)


def _wal(path: Path) -> Finding:
    wal = path.with_name(path.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    what = f"{size / MB:,.1f} MB in the write-ahead log"
    if size <= _LONG_WAL:
        return Finding(severity=Severity.OK, about="wal", what=what)
    return Finding(
        severity=Severity.WARNING,
        about="wal",
        what=f"{what}: something keeps it from being copied into the file",
        do=f"look for a process that has been reading for long: fuser {path}",
    )


def _beside(path: Path) -> Iterator[Finding]:
    sidecar = path.with_name(path.name + "-sidecar")
    if not sidecar.exists():
        closed = not _exists(path, "-shm")
        what = (
            "is not there; whoever opens the store makes it" if closed else "is gone, and somebody has the store open"
        )
        do = "" if closed else "stop all workers, then start them again: without it they no longer take turns"
        yield Finding(
            severity=Severity.NOTE if closed else Severity.PROBLEM, about="sidecar", what=f"{sidecar} {what}", do=do
        )
    needed = [path.parent, *(each for each in (path, sidecar, *_inside(sidecar)) if each.exists())]
    locked = [str(each) for each in needed if not os.access(each, os.R_OK | os.W_OK)]
    if locked:
        what = f"this user may not write to {', '.join(locked)}"
        yield Finding(
            severity=Severity.PROBLEM, about="sidecar", what=what, do=f"run as its owner, or: chmod u+rw {locked[0]}"
        )
    elif sidecar.exists():
        yield Finding(severity=Severity.OK, about="sidecar", what="the file, its folder and its sidecar can be written")


def _inside(sidecar: Path) -> tuple[Path, ...]:
    return sidecar / "queue", sidecar / "turn", sidecar / "ports"


def _exists(path: Path, suffix: str) -> bool:
    return path.with_name(path.name + suffix).exists()
