"""Files of runs' workspaces. See :class:`holdfast.store.nouns.files.Files`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.records.files import FileInfo
from holdfast.store.sqlite import files
from holdfast.store.sqlite.nouns.ways import Ways
from holdfast.store.sqlite.values import INLINE


class Files(Ways):
    """What runs' workspaces hold."""

    async def put_contents(self, contents: Mapping[bytes, bytes]) -> None:
        await self._write(files.put_contents, contents, rows=sum(map(len, contents.values())) // INLINE)

    async def contents(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        return await self._read_apart(files.contents, digests)

    async def files(self, run_id: str, *, at: int | None = None) -> list[FileInfo]:
        return await self._read_apart(files.at, run_id, at)

    async def sweep_contents(self, *, age: int, limit: int) -> int:
        return await self._write(files.sweep, age, limit, rows=limit)
