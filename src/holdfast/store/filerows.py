"""Files of workspaces as rows, which are alike in both databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from holdfast.records.files import Chunk, FileInfo, FileKind

KINDS = (FileKind.GONE, FileKind.FILE, FileKind.LINK, FileKind.FOLDER)
"""By their numbers in the column ``kind``."""
_DIGEST, _CHUNK = 16, 20  # bytes in the column ``chunks``


def file_of(row: Sequence[Any]) -> FileInfo:
    """The file of a row."""
    path, seq, kind, mode, size, target, packed = row
    return FileInfo(
        path=path, kind=KINDS[kind], mode=mode, size=size, seq=seq, target=target, chunks=tuple(chunks_of(packed))
    )


def chunks_bytes(file: FileInfo) -> bytes:
    """What the column ``chunks`` holds."""
    return b"".join(chunk.digest + chunk.size.to_bytes(4, "big") for chunk in file.chunks)


def chunks_of(packed: bytes) -> Iterator[Chunk]:
    """The chunks that it names."""
    for start in range(0, len(packed), _CHUNK):
        digest, size = packed[start : start + _DIGEST], packed[start + _DIGEST : start + _CHUNK]
        yield Chunk(digest=digest, size=int.from_bytes(size, "big"))
