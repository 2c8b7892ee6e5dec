"""What channels are to be told. See :class:`holdfast.store.nouns.outbox.Outbox`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.outbox import Message, NewMessage, Sent
from holdfast.store.sqlite import outbox
from holdfast.store.sqlite.nouns.ways import Ways


class Outbox(Ways):
    """What channels are to be told: at least once each."""

    async def take_messages(self, *, now: int, hold: int, limit: int) -> list[Message]:
        return await self._write(outbox.take, now, hold, limit, rows=limit)

    async def settle_messages(self, sent: Sequence[Sent], *, new: Sequence[NewMessage] = ()) -> None:
        await self._write(outbox.settle, sent, new, rows=len(sent) + len(new))

    async def dead_messages(self, *, after: int = 0, limit: int = 100) -> list[Message]:
        return self._read(outbox.dead, after, limit)

    async def revive_message(self, n: int, *, now: int) -> bool:
        return await self._write(outbox.revive, n, now)

    async def next_message(self) -> int | None:
        return self._read(outbox.next_at)
