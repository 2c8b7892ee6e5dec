"""Waiting until runs have left memory, or rest in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from holdfast import Settings
from holdfast.records.run import Status
from holdfast.runtime import Runtime

AT_ONCE = Settings(linger=0.0, linger_per_entry=0.0)
"""Runs leave memory as soon as they wait."""
_LOOK = 0.05  # seconds


async def evicted(runtime: Runtime, run_id: str) -> None:
    """Wait until a run waits, as rows only."""

    async def waits() -> bool:
        return not runtime.worker.active and (await runtime.info(run_id)).status is Status.WAITING

    await _until(waits)


async def all_evicted(runtime: Runtime, count: int) -> None:
    """Wait until so many runs wait, as rows only."""

    async def wait() -> bool:
        return not runtime.worker.active and (await runtime.store.count()).get(Status.WAITING, 0) >= count

    await _until(wait)


async def all_rest(runtime: Runtime, count: int) -> None:
    """Wait until so many runs are in memory and none of them moves."""

    async def rest() -> bool:
        return len(runtime.worker.active) >= count and runtime.worker.idle

    await _until(rest)


async def _until(met: Callable[[], Awaitable[bool]]) -> None:
    while not await met():  # noqa: ASYNC110 - before the clock starts; leaving memory sends no signal
        await asyncio.sleep(_LOOK)
