"""What channels are to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.records.outbox import Message, NewMessage, Sent


class Outbox(Protocol):
    """What channels are to be told: at least once each."""

    async def take_messages(self, *, now: int, hold: int, limit: int) -> list[Message]:
        """Take messages that are due and not dead, the longest due first: nobody else is given them for ``hold``.

        Their ``next_at`` becomes ``now + hold``, and ``tries`` is raised.
        """

    async def settle_messages(self, sent: Sequence[Sent], *, new: Sequence[NewMessage] = ()) -> None:
        """Say what became of messages, and add others, in one transaction."""

    async def dead_messages(self, *, after: int = 0, limit: int = 100) -> list[Message]:
        """Those that were given up, by number."""

    async def revive_message(self, n: int, *, now: int) -> bool:
        """Try a dead one again from now on, its ``tries`` at 0. False if it is not there or not dead."""

    async def next_message(self) -> int | None:
        """The earliest ``next_at`` of those that are not dead."""
