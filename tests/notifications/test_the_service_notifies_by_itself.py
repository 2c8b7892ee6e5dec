"""The service hears of messages, whoever wrote them, and of the time."""

from __future__ import annotations

import asyncio

from holdfast.approvals.notifications.service import Notifications
from holdfast.clock import SECOND
from holdfast.store.base import Store
from tests.notifications.office import office
from tests.notifications.receiver import Receiver


async def test_what_is_asked_is_told_soon_and_what_is_to_wait_when_its_time_has_come(store: Store) -> None:
    async with Receiver() as receiver, office(store) as at:
        await at.channel(receiver.url, digest=900, urgent=50)
        service = Notifications(store, at.clock)
        service.start()
        try:
            await at.ask("urgent", risk=50)
            await asyncio.wait_for(receiver.arrived.wait(), 60)
            receiver.arrived.clear()
            await at.ask("calm")
            while await store.next_message() is None or await store.next_message() < at.clock.now() + SECOND:
                await asyncio.wait_for(service.settled.wait(), 60)
                await asyncio.sleep(0)
            assert not receiver.arrived.is_set()
            at.clock.set(at.clock.now() + 900 * SECOND)
            await asyncio.wait_for(receiver.arrived.wait(), 60)
            assert [got.about for got in receiver.got] == [["urgent"], ["calm"]]
        finally:
            await service.stop()
