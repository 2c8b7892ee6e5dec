"""How a file is cut: into contents of a megabyte at the most, of which a growing file keeps all but the last few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import BinaryIO

from holdfast.records.files import Chunk

CHUNK = 2**20  # bytes


def digest_of(body: bytes) -> bytes:
    """What a content is found by."""
    return blake2b(body, digest_size=16).digest()


def kept(file: BinaryIO, size: int, old: Sequence[Chunk]) -> int:
    """With how many of its old chunks a file of this size still begins. Reads it from its beginning."""
    at = 0
    for number, chunk in enumerate(old):
        at += chunk.size
        if at > size or digest_of(file.read(chunk.size)) != chunk.digest:
            return number
    return len(old)


def cut(old: Sequence[int], rest: int) -> tuple[int, list[int]]:
    """How to store ``rest`` bytes after chunks of these sizes: how many of those stay, and the sizes after them.

    Neighbours at the end merge unless the first is at least twice as large as the second, as in a log-structured merge
    tree: each chunk is at least twice its successor, and each byte of a growing file is stored again only when its
    chunk grows by half. So n appends make O(log n) chunks and O(n log n) bytes (O'Neil et al., The LSM-Tree, 1996).

    Example:
        >>> cut([4, 1], 1)
        (1, [2])
        >>> cut([2**20], 2**20 + 5)
        (1, [1048576, 5])
    """
    sizes, stay = list(old), len(old)
    while rest > 0:
        sizes.append(min(rest, CHUNK))
        rest -= sizes[-1]
        while len(sizes) > 1 and sizes[-2] < 2 * sizes[-1] and sizes[-2] + sizes[-1] <= CHUNK:
            sizes[-2:] = [sizes[-2] + sizes[-1]]
            stay = min(stay, len(sizes) - 1)
    return stay, sizes[stay:]


def contents(file: BinaryIO, size: int, old: Sequence[Chunk]) -> Iterator[tuple[Chunk, bytes | None]]:
    """The chunks of a file of this size, each with its body unless it was among the old ones.

    A file that shrinks meanwhile ends where it ends.
    """
    same = kept(file, size, old)
    done = sum(chunk.size for chunk in old[:same])
    stay, sizes = cut([chunk.size for chunk in old[:same]], size - done)
    yield from ((chunk, None) for chunk in old[:stay])
    file.seek(sum(chunk.size for chunk in old[:stay]))
    for wanted in sizes:
        if body := file.read(wanted):
            yield Chunk(digest=digest_of(body), size=len(body)), body
