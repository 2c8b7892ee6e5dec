"""Links: where what a message tells of is decided. Opening one changes nothing: it shows a page that asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.tokens import DecisionTokens
from holdfast.clock import Clock
from holdfast.records.approval import Approval
from holdfast.store.desk import Desk

Link = Callable[[Channel, Approval], Awaitable[str]]
"""The link to an approval in a message to a channel; empty: there is none."""


class Links:
    """Links to pages of the server that a channel names.

    Those in channels of one person bear a token that decides in that person's name; all others lead to a page that
    wants whoever comes to log in.

    Args:
        store: keeps the key that tokens are signed with.
        clock: tells when they expire.
    """

    def __init__(self, store: Desk, clock: Clock) -> None:
        self._tokens = DecisionTokens(store, clock)

    async def __call__(self, channel: Channel, approval: Approval) -> str:
        if not channel.server:
            return ""
        base, place = channel.server.rstrip("/"), quote(approval.id, safe="")
        if not channel.person:
            return f"{base}/inbox/{place}"
        token = await self._tokens.issue(channel.person, approval.id, run=approval.run_id, digest=approval.digest)
        return f"{base}/confirm/{place}?token={token}"
