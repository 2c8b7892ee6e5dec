"""Promises. See :class:`holdfast.store.nouns.promises.Promises`."""

from __future__ import annotations

from holdfast.store.sqlite import promises
from holdfast.store.sqlite.nouns.ways import Ways, fetch_value
from holdfast.store.sqlite.statements import PROMISES


class Promises(Ways):
    """Write-once values that runs wait for."""

    async def schema(self, promise_id: str) -> bytes | None:
        found: bytes | None = self._read(fetch_value, PROMISES.schema, (promise_id,))
        return found

    async def resolve(self, promise_id: str, *, ok: bool, value: bytes, at: int) -> bool:
        return await self._write(promises.resolve, promise_id, ok, value, at)
