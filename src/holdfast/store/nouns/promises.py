"""Promises."""

from __future__ import annotations

from typing import Protocol


class Promises(Protocol):
    """Write-once values that runs wait for."""

    async def schema(self, promise_id: str) -> bytes | None:
        """The JSON Schema with which it was declared, None if it has not been declared yet."""

    async def resolve(self, promise_id: str, *, ok: bool, value: bytes, at: int) -> bool:
        """Resolve it, declared or not, and file news for its run.

        False if it was resolved before, or its run has ended.

        Raises:
            UnknownRun: no run has the id before the first ``/`` of ``promise_id``.
        """
