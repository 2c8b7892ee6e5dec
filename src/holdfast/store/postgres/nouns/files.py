"""Files of runs' workspaces. See :class:`holdfast.store.nouns.files.Files`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.records.files import FileInfo, FileKind
from holdfast.store.filerows import file_of
from holdfast.store.postgres.nouns.ways import Ways, first
from holdfast.store.postgres.statements import FILES


class Files(Ways):
    """What runs' workspaces hold."""

    async def put_contents(self, contents: Mapping[bytes, bytes]) -> None:
        await self._do(self._links.fetch(FILES.put_contents, list(contents), list(contents.values())))

    async def contents(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        return dict(await self._links.fetch(FILES.contents, list(digests)))

    async def files(self, run_id: str, *, at: int | None = None) -> list[FileInfo]:
        files = [file_of(row) for row in await self._links.fetch(FILES.at, run_id, at)]
        return [file for file in files if file.kind is not FileKind.GONE]

    async def sweep_contents(self, *, age: int, limit: int) -> int:
        return int(first(await self._do(self._links.patiently(FILES.sweep, age, limit))))
