"""A worker that can no longer renew its lease learns it, whatever goes wrong."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.clock import boot_seconds
from holdfast.durable.lease import Lease
from holdfast.errors import StoreBusy
from holdfast.settings import Settings


class Broken:
    """A keeper that renews nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def renew(self) -> bool:
        raise self._error

    def close(self) -> None:
        pass


@pytest.mark.parametrize("error", [StoreBusy("away"), ValueError("a defect")], ids=["trouble", "defect"])
def test_whatever_goes_wrong_the_end_of_the_lease_is_told(error: Exception) -> None:
    async def until_it_is_told() -> None:
        lost = asyncio.Event()
        lease = Lease(Broken(error), Settings(lease=0.3), boot_seconds(), lost.set, str)
        lease.start()
        async with asyncio.timeout(60):
            await lost.wait()
        assert not lease.held()
        await asyncio.to_thread(lease.stop)

    asyncio.run(until_it_is_told())
