"""Files of a run's workspace, as the store keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FileKind(StrEnum):
    """What is at a path."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"
    GONE = "gone"  # nothing any more; only in deltas and in rows, never in a listing


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of a file: which content, and how many bytes."""

    digest: bytes  # BLAKE2b, 16 bytes, of the plain bytes
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FileInfo:
    """A file, a symbolic link or a folder of a workspace.

    Attributes:
        path: relative to the workspace, with ``/``.
        kind: what it is.
        mode: its permission bits, such as ``0o644``.
        size: bytes of a file; 0 for others.
        seq: the number of the entry or item with which this state of it was recorded.
        target: of a link, relative to the link's own folder.
        chunks: what a file is made of, in order.
    """

    path: str
    kind: FileKind
    mode: int = 0
    size: int = 0
    seq: int = 0
    target: str = ""
    chunks: tuple[Chunk, ...] = ()
