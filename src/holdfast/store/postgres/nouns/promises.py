"""Promises. See :class:`holdfast.store.nouns.promises.Promises`."""

from __future__ import annotations

from typing import Any

from holdfast.errors import UnknownRun
from holdfast.store.postgres.nouns.ways import Ways, first
from holdfast.store.postgres.statements import PROMISES
from holdfast.store.postgres.text import stored


class Promises(Ways):
    """Write-once values that runs wait for."""

    async def schema(self, promise_id: str) -> bytes | None:
        schema: bytes | None = await self._links.value(PROMISES.schema, stored(promise_id))
        return schema

    async def resolve(self, promise_id: str, *, ok: bool, value: bytes, at: int) -> bool:
        run_id, _, name = stored(promise_id).partition("/")
        given = stored(promise_id), run_id, name, ok, value, at

        async def send(again: bool) -> Any:
            return first(await self._links.write(PROMISES.resolve, *given, again))

        done = await self._insist(f"resolve promise {promise_id}", send)
        if done is None:
            raise UnknownRun(f"promise {promise_id!r}: no run has the id {run_id!r}")
        return bool(done)
