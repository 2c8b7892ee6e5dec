"""Files of runs' workspaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from holdfast.records.files import FileInfo


class Files(Protocol):
    """What runs' workspaces hold.

    Which file is made of what comes with the deltas (:class:`~holdfast.records.files.FileInfo`); its content comes
    before them. A run that begins again (:class:`~holdfast.records.delta.Renew`) keeps the files that it has then, as
    of entry 0.
    """

    async def put_contents(self, contents: Mapping[bytes, bytes]) -> None:
        """Keep contents, by the digest of their plain bytes: packed, a few megabytes at a time. Idempotent."""

    async def contents(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Packed contents by digest; those that are not there are left out."""

    async def files(self, run_id: str, *, at: int | None = None) -> list[FileInfo]:
        """A run's files by path: as they are, or as of the entry or item with the number ``at``."""

    async def sweep_contents(self, *, age: int, limit: int) -> int:
        """Delete up to ``limit`` contents that no run's files refer to and nobody has put for ``age`` microseconds.

        By the database's time. Says how many went.
        """
