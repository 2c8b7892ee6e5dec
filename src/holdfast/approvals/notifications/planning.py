"""Planning: what to do with the messages to one channel that have come due. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.news import News, message_to, unpacked
from holdfast.records.approval import Approval
from holdfast.records.outbox import Message, NewMessage, Sent

LARGEST = 1000  # approvals in one digest; what is above that is another one


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message to send now, and what it tells: the riskiest first."""

    message: Message
    news: tuple[News, ...]
    approvals: Mapping[str, Approval]

    @property
    def risk(self) -> int:
        """The highest of what it tells."""
        return max(self.approvals[one.about].risk for one in self.news)


@dataclass(kw_only=True, slots=True)
class Plan:
    """What to do with messages."""

    settled: list[Sent] = field(default_factory=list)  # without sending them
    new: list[NewMessage] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)  # the riskiest first


def plan(channel: Channel | None, messages: Sequence[Message], approvals: Mapping[str, Approval], now: int) -> Plan:
    """What to do with messages to a channel; None: it is not there any more.

    Args:
        channel: the channel.
        messages: those to it that were taken.
        approvals: by id, all that the messages are about and that are still there.
        now: the time, in microseconds.
    """
    made = Plan()
    if channel is None:
        made.settled = [Sent(n=message.n, done=True) for message in messages]
    elif channel.disabled:
        why = f"the channel is disabled: {channel.disabled}"
        made.settled = [Sent(n=message.n, error=why) for message in messages]
    else:
        told = _worth_telling(messages, approvals)
        made.settled = [Sent(n=message.n, done=True) for message in messages if message.n not in told]
        _arrange(made, channel, [_delivery(m, told[m.n], approvals) for m in messages if m.n in told], now)
    return made


def put_back(message: Message, at: int) -> tuple[list[Sent], list[NewMessage]]:
    """Put a message off that was taken and not tried. If it never was, it begins anew: that was no try."""
    if message.tries > 1:
        return [Sent(n=message.n, next_at=at, error=message.error)], []
    return [Sent(n=message.n, done=True)], [message_to(message.channel, unpacked(message.body), next_at=at)]


def _worth_telling(messages: Sequence[Message], approvals: Mapping[str, Approval]) -> dict[int, list[News]]:
    """What is still true in each message; of what several tell about one approval, only the last."""
    last: dict[str, tuple[int, News]] = {}
    for message in sorted(messages, key=lambda message: message.n):
        for one in unpacked(message.body):
            approval = approvals.get(one.about)
            if approval is not None and one.still_true(approval):
                last[one.about] = message.n, one
    told: dict[int, list[News]] = {}
    for n, one in last.values():
        told.setdefault(n, []).append(one)
    return told


def _delivery(message: Message, news: Sequence[News], approvals: Mapping[str, Approval]) -> Delivery:
    ordered = sorted(news, key=lambda one: (-approvals[one.about].risk, approvals[one.about].n))
    return Delivery(message=message, news=tuple(ordered), approvals=approvals)


def _arrange(made: Plan, channel: Channel, deliveries: Sequence[Delivery], now: int) -> None:
    """Now, together, or when the quiet hours are over."""
    urgent = [one for one in deliveries if channel.breaks_through(one.risk)]
    others = [one for one in deliveries if not channel.breaks_through(one.risk)]
    wake = channel.quiet.until(now) if channel.quiet is not None else None
    if wake is not None:
        _put_off(made, others, wake)
        others = []
    elif channel.digest:
        others = _gathered(made, channel, others, now)
    made.deliveries = sorted([*urgent, *others], key=lambda one: (-one.risk, one.message.n))


def _put_off(made: Plan, deliveries: Sequence[Delivery], wake: int) -> None:
    for one in deliveries:
        settled, new = put_back(one.message, wake)
        made.settled += settled
        made.new += new


def _gathered(made: Plan, channel: Channel, deliveries: Sequence[Delivery], now: int) -> list[Delivery]:
    """Make one message of those that were not tried yet; what was tried keeps its number, by which it is known again.

    The one that is made is a row of its own first: it is sent under that number, however often.
    """
    fresh = [one for one in deliveries if one.message.tries == 1 and len(unpacked(one.message.body)) < LARGEST]
    rest = [one for one in deliveries if one not in fresh]
    if len(fresh) < 2:
        return [*fresh, *rest]
    news = [one for delivery in fresh for one in delivery.news]
    made.settled += [Sent(n=delivery.message.n, done=True) for delivery in fresh]
    made.new += [message_to(channel.id, news[i : i + LARGEST], next_at=now) for i in range(0, len(news), LARGEST)]
    return rest
