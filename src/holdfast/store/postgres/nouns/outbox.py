"""What channels are to be told. See :class:`holdfast.store.nouns.outbox.Outbox`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.outbox import Message, NewMessage, Sent
from holdfast.store.postgres.nouns.ways import Ways, first
from holdfast.store.postgres.outbox import message_of, of_settling
from holdfast.store.postgres.statements import OUTBOX


class Outbox(Ways):
    """What channels are to be told: at least once each."""

    async def take_messages(self, *, now: int, hold: int, limit: int) -> list[Message]:
        return [message_of(row) for row in await self._do(self._links.write(OUTBOX.take, now, hold, limit))]

    async def settle_messages(self, sent: Sequence[Sent], *, new: Sequence[NewMessage] = ()) -> None:
        await self._do(self._links.write(OUTBOX.settle, *of_settling(sent, new)), stirs=bool(new))

    async def dead_messages(self, *, after: int = 0, limit: int = 100) -> list[Message]:
        return [message_of(row) for row in await self._links.fetch(OUTBOX.dead, after, limit)]

    async def revive_message(self, n: int, *, now: int) -> bool:
        async def send(again: bool) -> bool:
            done = bool(first(await self._links.write(OUTBOX.revive, n, now)))
            return done or (again and bool(await self._links.value(OUTBOX.is_alive, n)))

        return await self._insist(f"revive message {n}", send)

    async def next_message(self) -> int | None:
        found: int | None = await self._links.value(OUTBOX.next)
        return found
