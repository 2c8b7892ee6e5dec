"""Making a workspace's directory hold exactly what is recorded. Blocking parts: for a thread.

Nobody else looks at the directory meanwhile: no step has begun. Links are made, never followed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from holdfast import codec
from holdfast.durable.workspace.chunks import CHUNK, digest_of, kept
from holdfast.durable.workspace.folder import clear, is_folder
from holdfast.durable.workspace.scan import Known, stamped, ticked
from holdfast.errors import StoreUnusable
from holdfast.records.files import Chunk, FileInfo, FileKind

_AT_ONCE = 4 * CHUNK  # bytes that are read from the store in one go
_PIECES = 500
_PARTIAL = ".holdfast-partial"  # what a crash leaves of it is removed like everything that is not recorded


@dataclass(slots=True)
class Batch:
    """Contents to be read together, and the files that they complete."""

    pieces: list[tuple[FileInfo, Chunk]] = field(default_factory=list)
    size: int = 0  # bytes

    @property
    def digests(self) -> list[bytes]:
        """What to read."""
        return list(dict.fromkeys(chunk.digest for _, chunk in self.pieces))


class Restore:
    """Restores one directory: :meth:`prepare`, then :meth:`write` for each of :meth:`batches`, then :meth:`finish`.

    Args:
        folder: the directory, which exists.
        files: what it shall hold, by path.
    """

    def __init__(self, folder: Path, files: Sequence[FileInfo]) -> None:
        self._folder = folder
        self._files = files
        self._missing: list[FileInfo] = []
        self._partial = folder / _PARTIAL
        self._written = 0  # bytes of the file that is being written

    def prepare(self) -> None:
        """Remove what is not recorded or differs; make folders, links and empty files."""
        clear(self._folder)
        wanted = {file.path: file for file in self._files}
        for path in sorted(_below(self._folder), reverse=True):  # children before their folders
            file = wanted.get(path)
            if file is None or not _is(self._folder / path, file):
                _remove(self._folder / path)
        for file in self._files:
            self._make(file)

    def batches(self) -> Iterator[Batch]:
        """What is to be read from the store, in the order in which it is to be written."""
        batch = Batch()
        for file in self._missing:
            for chunk in file.chunks:
                batch.pieces.append((file, chunk))
                batch.size += chunk.size
                if batch.size >= _AT_ONCE or len(batch.pieces) >= _PIECES:
                    yield batch
                    batch = Batch()
        if batch.pieces:
            yield batch

    def write(self, batch: Batch, bodies: Mapping[bytes, bytes]) -> None:
        """Write the files of a batch; each appears whole, under its name, or not at all.

        Args:
            batch: of :meth:`batches`.
            bodies: packed contents, by digest.

        Raises:
            StoreUnusable: a content is missing or damaged.
        """
        for file, chunk in batch.pieces:
            body = codec.unpack(bodies[chunk.digest]) if chunk.digest in bodies else b""
            if digest_of(body) != chunk.digest:
                raise StoreUnusable(f"the content of {file.path} is missing or damaged: restore a backup of the store")
            with self._partial.open("ab" if self._written else "wb") as partial:
                partial.write(body)
            self._written += chunk.size
            if self._written == file.size:
                os.replace(self._partial, self._folder / file.path)
                self._written = 0

    def finish(self) -> dict[str, Known]:
        """Set modes, those of folders after what is in them. Says what is known of each path."""
        known: dict[str, Known] = {}
        for file in sorted(self._files, key=lambda file: file.path, reverse=True):
            path = self._folder / file.path
            if file.kind is not FileKind.LINK:
                path.chmod(file.mode)
            known[file.path] = stamped(path, file)
        return ticked(self._folder, known)

    def _make(self, file: FileInfo) -> None:
        path = self._folder / file.path
        if PurePosixPath(file.path).is_absolute() or ".." in PurePosixPath(file.path).parts:
            raise StoreUnusable(f"a workspace cannot hold {file.path!r}: the store was tampered with")
        if os.path.lexists(path):  # and is what it shall be
            return
        if file.kind is FileKind.FOLDER:
            path.mkdir(mode=0o700)
        elif file.kind is FileKind.LINK:
            path.symlink_to(file.target)
        elif file.size:
            self._missing.append(file)
        else:
            path.touch()


def _below(folder: Path) -> Iterator[str]:
    """Paths of everything in a folder, links not followed."""
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            yield os.path.relpath(os.path.join(parent, name), folder)


def _is(path: Path, file: FileInfo) -> bool:
    """Whether a path is what it shall be, but for the mode."""
    if path.is_symlink():
        return file.kind is FileKind.LINK and os.readlink(path) == file.target
    if path.is_dir():
        return file.kind is FileKind.FOLDER
    if file.kind is not FileKind.FILE or not path.is_file() or path.stat().st_size != file.size:
        return False
    path.chmod(0o600)  # its mode may forbid to read it
    with path.open("rb") as found:
        return _holds(found, file)


def _holds(found: BinaryIO, file: FileInfo) -> bool:
    return kept(found, file.size, file.chunks) == len(file.chunks)


def _remove(path: Path) -> None:
    if is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
