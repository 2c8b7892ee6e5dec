"""What there is to tell of one approval, as it lies in the outbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from holdfast import codec
from holdfast.approvals.notifications.channel import Topic
from holdfast.records.approval import Approval, ApprovalState
from holdfast.records.outbox import Message, NewMessage

DIGEST = "approval.digest"
_TOPICS: dict[str, Topic] = {
    "approval.requested": "asked",
    "approval.escalated": "asked",
    "approval.reassigned": "asked",
    "approval.decided": "ended",
    "approval.withdrawn": "ended",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """Something that happened to an approval, and whom it was asked of then."""

    event: str
    about: str  # id of the approval
    at: int
    to: tuple[str, ...]
    due_at: int | None

    @classmethod
    def of(cls, message: Message, approval: Approval) -> News:
        """What a message that was not shared out yet tells."""
        return cls(event=message.event, about=approval.id, at=message.at, to=approval.to, due_at=approval.due_at)

    @property
    def topic(self) -> Topic | None:
        """Which of the two it belongs to; None: nobody is told of it, as of votes."""
        return _TOPICS.get(self.event)

    def still_true(self, approval: Approval) -> bool:
        """Whether it is still worth telling: nobody wants to be asked what was decided, or is asked of others now.

        Whoever else is asked, or has longer, there is a message of its own for that.
        """
        pending = approval.state is ApprovalState.PENDING
        if self.topic == "asked":
            return pending and (self.to, self.due_at) == (approval.to, approval.due_at)
        return self.topic == "ended" and not pending


def packed(news: Sequence[News]) -> bytes:
    """The body of a message to a channel."""
    return codec.pack(codec.canonical([asdict(one) | {"to": list(one.to)} for one in news]))


def unpacked(body: bytes) -> list[News]:
    """What :func:`packed` packed."""
    return [News(**{**one, "to": tuple(one["to"])}) for one in json.loads(codec.unpack(body))]


def message_to(channel: str, news: Sequence[News], *, next_at: int) -> NewMessage:
    """A message to a channel, of one thing or several."""
    first = news[0]
    one = len(news) == 1
    return NewMessage(
        event=first.event if one else DIGEST,
        about=first.about if one else "",
        channel=channel,
        body=packed(news),
        at=min(each.at for each in news),
        next_at=next_at,
    )
