"""What has changed in a workspace's directory. Blocking: for a thread."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from holdfast.durable.workspace import chunks
from holdfast.durable.workspace.folder import is_folder
from holdfast.errors import NotStorable, TooLarge
from holdfast.records.files import FileInfo, FileKind
from holdfast.settings import MAX_FILE, MAX_FILES, MAX_WORKSPACE

# What an operation on a path says when somebody else has just removed or replaced what was there.
_CHANGED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)

_PATIENCE = 2000  # milliseconds; the coarsest file systems count in two seconds

Stamp = tuple[int, int, int, int]
"""What changes when a file does: times of content and of node, size, number of the node."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a path: its state as recorded, and the stamp that it had then; None: look at it again."""

    info: FileInfo
    stamp: Stamp | None


class Scan:
    """One look at a directory, compared with what is known of it.

    Args:
        run_id: for messages.
        folder: the directory.
        known: what is known, by path.
    """

    def __init__(self, run_id: str, folder: Path, known: dict[str, Known]) -> None:
        self.found: dict[str, Known] = {}  # what is known afterwards
        self._run = run_id
        self._folder = folder
        self._inside = os.path.realpath(folder)
        self._known = known
        self._bytes = 0

    def changes(self) -> dict[str, FileInfo]:
        """What differs from what was known."""
        changed = {
            path: now.info
            for path, now in self.found.items()
            if path not in self._known or self._known[path].info is not now.info
        }
        gone = self._known.keys() - self.found.keys()
        return changed | {path: FileInfo(path=path, kind=FileKind.GONE) for path in gone}

    def contents(self) -> Iterator[tuple[bytes, bytes]]:
        """Look: yields the contents that may be new, by digest; ``found`` is complete after the last.

        Raises:
            TooLarge: a limit is exceeded.
            NotStorable: something there cannot be kept.
        """
        if not is_folder(self._folder):
            raise FileNotFoundError(f"{self._folder} is gone: steps remove what is in it, never the folder itself")
        now = _time_at(self._folder)
        for path, place, node in sorted(self._walk(), key=lambda found: found[0]):
            with _unless_changed():
                if stat.S_ISREG(node.st_mode):
                    yield from self._file(path, place, node, now)
                elif stat.S_ISDIR(node.st_mode):
                    self._note(FileInfo(path=path, kind=FileKind.FOLDER, mode=_mode(node)), None)
                else:
                    self._note(FileInfo(path=path, kind=FileKind.LINK, target=self._target(path, place)), None)

    def _walk(self) -> Iterator[tuple[str, str, os.stat_result]]:
        """Everything in it, in the order of the file system; checked against the limits before anything is read."""
        folders, count = [""], 0
        while folders:
            prefix = folders.pop()
            for entry in self._listed(prefix):
                path = prefix + self._name(prefix, entry.name)
                if (node := self._node(path, entry)) is None:
                    continue
                count += 1
                if count > MAX_FILES:
                    raise self._too_large(path, f"is one too many: a workspace holds up to {MAX_FILES:,} files")
                self._check(path, node)
                if stat.S_ISDIR(node.st_mode):
                    folders.append(path + "/")
                yield path, entry.path, node

    def _check(self, path: str, node: os.stat_result) -> None:
        if not (stat.S_ISREG(node.st_mode) or stat.S_ISDIR(node.st_mode) or stat.S_ISLNK(node.st_mode)):
            raise NotStorable(f"run {self._run}: {path} in its workspace is a socket, pipe or device: put it elsewhere")
        if not stat.S_ISREG(node.st_mode):
            return
        if node.st_size > MAX_FILE:
            raise self._too_large(path, f"has {node.st_size:,} bytes; a file may have {MAX_FILE:,}")
        self._bytes += node.st_size
        if self._bytes > MAX_WORKSPACE:
            raise self._too_large(path, f"brings it to {self._bytes:,} bytes; all files may have {MAX_WORKSPACE:,}")

    def _too_large(self, path: str, what: str) -> TooLarge:
        return TooLarge(f"run {self._run}: {path} in its workspace {what}. Remove some, or keep a reference instead")

    def _unreadable(self, path: str) -> NotStorable:
        return NotStorable(f"run {self._run}: {path or '.'} in its workspace may not be read: change its mode")

    def _listed(self, prefix: str) -> list[os.DirEntry[str]]:
        try:
            with _unless_changed(), os.scandir(os.path.join(self._folder, prefix)) as entries:
                return list(entries)
        except PermissionError as error:
            raise self._unreadable(prefix) from error
        return []

    def _node(self, path: str, entry: os.DirEntry[str]) -> os.stat_result | None:
        try:
            with _unless_changed():
                return entry.stat(follow_symlinks=False)
        except PermissionError as error:
            raise self._unreadable(path) from error
        return None

    def _name(self, prefix: str, name: str) -> str:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise NotStorable(f"run {self._run}: {prefix + name!r} in its workspace is no UTF-8: rename it") from None
        return name

    def _file(self, path: str, place: str, node: os.stat_result, now: int) -> Iterator[tuple[bytes, bytes]]:
        known = self._known.get(path)
        if known is not None and known.stamp == _stamp(node):
            self.found[path] = known
            return
        try:
            file = _opened(place)
        except PermissionError as error:
            raise self._unreadable(path) from error
        with file:
            yield from self._read(path, file, known.info if known is not None else None, now)

    def _read(self, path: str, file: BinaryIO, old: FileInfo | None, now: int) -> Iterator[tuple[bytes, bytes]]:
        node = os.fstat(file.fileno())  # of what is read, whatever has the name by now
        made = []
        for chunk, body in chunks.contents(file, min(node.st_size, MAX_FILE), old.chunks if old is not None else ()):
            made.append(chunk)
            if body is not None:
                yield chunk.digest, body
        size = sum(chunk.size for chunk in made)
        info = FileInfo(path=path, kind=FileKind.FILE, mode=_mode(node), size=size, chunks=tuple(made))
        stamp = _stamp(node)
        sure = stamp == _stamp(os.fstat(file.fileno())) and stamp[1] < now
        self._note(info, stamp if sure else None)

    def _note(self, info: FileInfo, stamp: Stamp | None) -> None:
        old = self._known.get(info.path)
        same = old is not None and replace(old.info, seq=0) == info
        self.found[info.path] = Known(old.info if same and old is not None else info, stamp)

    def _target(self, path: str, place: str) -> str:
        """What a link points to, from its own folder; the path of the workspace itself is not in it."""
        target = self._name(path + " -> ", os.readlink(place))
        end = os.path.realpath(place)
        if not _is_inside(end, self._inside):
            raise NotStorable(f"run {self._run}: {path} in its workspace points out of it, to {target}: copy the file")
        return os.path.relpath(end, os.path.realpath(os.path.dirname(place))) if os.path.isabs(target) else target


def stamped(path: Path, info: FileInfo) -> Known:
    """What is known of a path that has just been restored, once :func:`ticked` has let the next step begin."""
    return Known(info, _stamp(path.lstat()) if info.kind is FileKind.FILE else None)


def ticked(folder: Path, known: dict[str, Known]) -> dict[str, Known]:
    """Wait until a change of what is known would show in its time.

    File systems count time in ticks of some milliseconds; of two changes in one tick, times tell only the first (see
    "racy Git" in Git's technical documentation). So a stamp counts only if its tick was over when it was taken.
    """
    latest = max((one.stamp[1] for one in known.values() if one.stamp is not None), default=0)
    for _ in range(_PATIENCE):
        if _time_at(folder) > latest:
            return known
        time.sleep(0.001)  # a file system tells nobody when its clock ticks
    return {path: Known(one.info, None) for path, one in known.items()}  # its clock was set back


def _time_at(folder: Path) -> int:
    """The time as the folder's file system counts it."""
    marker = folder.parent / ".time"
    marker.touch(mode=0o600)
    return marker.stat().st_mtime_ns


@contextmanager
def _unless_changed() -> Iterator[None]:
    """Pass over what is removed or replaced just now, by a step that is still at work: the next look finds it."""
    try:
        yield
    except OSError as error:
        if error.errno not in _CHANGED:
            raise


def _opened(place: str) -> BinaryIO:
    """Without following a link that has come in between, and without waiting for the other end of a pipe."""
    return open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _stamp(node: os.stat_result) -> Stamp:
    return node.st_mtime_ns, node.st_ctime_ns, node.st_size, node.st_ino


def _mode(node: os.stat_result) -> int:
    return stat.S_IMODE(node.st_mode) & 0o777


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)
