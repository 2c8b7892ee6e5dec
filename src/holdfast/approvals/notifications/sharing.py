"""Sharing out: which channels want to be told of something, and when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.news import News, message_to
from holdfast.clock import SECOND
from holdfast.records.approval import Approval
from holdfast.records.outbox import Message, NewMessage

_ANYBODYS = frozenset({"role:reviewer", "role:admin"})  # who may decide what is asked of nobody in particular


def share(
    messages: Iterable[Message], approvals: Mapping[str, Approval], channels: Sequence[Channel], now: int
) -> list[NewMessage]:
    """A message to each channel that wants it, of each message that is not shared out yet."""
    return [
        message_to(channel.id, [news], next_at=when(channel, approval.risk, now))
        for message in messages
        if (approval := approvals.get(message.about)) is not None
        and (news := News.of(message, approval)).still_true(approval)
        for channel in channels
        if wants(channel, news, approval)
    ]


def wants(channel: Channel, news: News, approval: Approval) -> bool:
    """Whether a channel is to be told."""
    if channel.disabled or news.topic not in channel.events or approval.risk < channel.min_risk:
        return False
    return not channel.to or not set(channel.to).isdisjoint(approval.to or _ANYBODYS)


def when(channel: Channel, risk: int, now: int) -> int:
    """When it is to be told: at once, at the end of the digest's time, or of the quiet hours."""
    if channel.breaks_through(risk):
        return now
    at = _end_of_digest(channel, now)
    return at if channel.quiet is None else channel.quiet.until(at) or at


def _end_of_digest(channel: Channel, now: int) -> int:
    """The times at which digests go are the same in every process, whoever shares out: multiples of the interval."""
    every = channel.digest * SECOND
    return now if not every else now - now % every + every
