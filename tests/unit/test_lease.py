"""A worker that can no longer renew its lease learns it, whatever goes wrong."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.clock import boot_seconds
from holdfast.durable import lease as leases
from holdfast.durable.lease import EXIT_SILENT, Lease
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


def test_a_loop_is_given_up_for_its_own_silence_and_not_for_a_stop_of_the_whole_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exits: list[int] = []
    monkeypatch.setattr(leases.os, "_exit", exits.append)

    async def silent() -> None:
        lease = Lease(Broken(StoreBusy("away")), Settings(stall=5, silent=300), boot_seconds(), lambda: None, str)
        lease._beat -= 1000
        lease._watch_loop()  # this thread is the first to go on: the loop has had no time to
        assert exits == []
        lease._beat = boot_seconds()
        lease._watch_loop()
        for _ in range(2):
            lease._beat = boot_seconds() - 1000
            lease._watch_loop()
        assert exits == [EXIT_SILENT]

    asyncio.run(silent())
