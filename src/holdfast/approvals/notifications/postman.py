"""The postman: works the outbox off. A chore of workers and of the server.

Any number of processes may have one: a message that one has taken is given to no other for a while. If it dies
between sending and settling, another sends the message again after that while, under the same number: at least once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast import codec
from holdfast.approvals.notifications import letter, others, webhook
from holdfast.approvals.notifications.answer import Answer
from holdfast.approvals.notifications.backoff import next_try
from holdfast.approvals.notifications.channel import CHANNEL, Channel
from holdfast.approvals.notifications.linking import Link, Links
from holdfast.approvals.notifications.news import unpacked
from holdfast.approvals.notifications.planning import Delivery, plan, put_back
from holdfast.approvals.notifications.reach import Reach
from holdfast.approvals.notifications.sharing import share
from holdfast.approvals.request import Request
from holdfast.clock import SECOND, Clock, boot_seconds
from holdfast.errors import NotStorable, UsageError
from holdfast.records.approval import Approval, ApprovalState, AuditEntry
from holdfast.records.document import Document
from holdfast.records.outbox import Message, NewMessage, Sent
from holdfast.store.desk import Desk

logger = logging.getLogger("holdfast.notifications")

HOLD = 300 * SECOND  # for which a message that was taken is nobody else's
_BUDGET = 15.0  # seconds after which one channel begins no other message: what is due elsewhere waits so long
_BATCH = 200
_ROUTING = SECOND // 2  # nobody is told of what a standing approval may be about to approve


@dataclass(slots=True)
class _Result:
    """What became of messages to a channel."""

    settled: list[Sent] = field(default_factory=list)
    new: list[NewMessage] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)


class Postman:
    """Shares messages out to channels, and sends those that have come due.

    Args:
        store: whose outbox.
        clock: tells when.
        link: where an approval is decided; by default on the server that the channel names.
        reach: which addresses messages are sent to; by default as the environment says.

    Raises:
        BadOption: the environment says it in a way that makes no sense.

    Example:
        >>> async def main(store, clock):
        ...     async with Postman(store, clock) as postman:
        ...         while await postman.round():
        ...             pass
    """

    def __init__(self, store: Desk, clock: Clock, *, link: Link | None = None, reach: Reach | None = None) -> None:
        self._store = store
        self._clock = clock
        self._link = link or Links(store, clock)
        self._reach = reach or Reach.from_environment()
        self._client = webhook.new_client(self._reach)

    async def __aenter__(self) -> Postman:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def due(self) -> int | None:
        """When there is something to do next; only reads."""
        return await self._store.next_message()

    async def round(self) -> bool:
        """Take some messages that are due, and deal with them. False: there were none.

        Raises:
            StoreError: the store does not answer. What was sent and not settled is sent again.
        """
        now = self._clock.now()
        taken = await self._store.take_messages(now=now, hold=HOLD, limit=_BATCH)
        if not taken:
            return False
        documents = {one.id: one for one in await self._store.documents(CHANNEL, now=now)}
        channels = _readable(documents.values())
        approvals = await self._approvals(taken)
        await self._share_out([one for one in taken if not one.channel], list(channels.values()), approvals)
        to: defaultdict[str, list[Message]] = defaultdict(list)
        for message in taken:
            if message.channel:
                to[message.channel].append(message)
        deliveries = [
            self._deliver(channels.get(id), documents.get(id), messages, approvals)
            for id, messages in to.items()
            if id in channels or id not in documents
        ]
        # At once, each to its end: what one has sent is settled whatever happens to the others.
        failed = [one for one in await asyncio.gather(*deliveries, return_exceptions=True) if one is not None]
        if failed:
            raise failed[0]
        return True

    async def test(self, channel: Channel) -> Answer:
        """Send a message to a channel that says nothing, now, and say what became of it."""
        now = self._clock.now()
        if not channel.is_webhook:
            return await others.notify(channel, self._reach, "Holdfast: a test", f"Channel {channel.id} works.")
        content = {"type": "channel.test", "timestamp": letter.iso(now), "data": {"channel": channel.id}}
        return await webhook.post(self._client, channel, f"test_{now}", content, now)

    # -- inside

    async def _approvals(self, messages: Iterable[Message]) -> dict[str, Approval]:
        about = {message.about for message in messages if not message.channel}
        about |= {news.about for message in messages if message.channel for news in unpacked(message.body)}
        found = [await self._store.approval(id) for id in sorted(about)]
        return {approval.id: approval for approval in found if approval is not None}

    async def _share_out(
        self, messages: Sequence[Message], channels: Sequence[Channel], approvals: Mapping[str, Approval]
    ) -> None:
        """In one transaction: a message is shared out to all channels or to none."""
        now = self._clock.now()
        early = [message for message in messages if not _routed(approvals.get(message.about))]
        ripe = [message for message in messages if message not in early]
        settled = [Sent(n=message.n, done=True) for message in ripe]
        settled += [Sent(n=message.n, next_at=now + _ROUTING) for message in early]
        if settled:
            new = share(ripe, approvals, channels, now)
            await self._store.settle_messages(settled, new=new)

    async def _deliver(
        self,
        channel: Channel | None,
        document: Document | None,
        messages: Sequence[Message],
        approvals: Mapping[str, Approval],
    ) -> None:
        made = plan(channel, messages, approvals, self._clock.now())
        result = _Result(made.settled, made.new)
        if channel is not None and document is not None:
            await self._send_all(channel, document, made.deliveries, result)
        if result.audit:
            await self._store.audit(result.audit)
        await self._store.settle_messages(result.settled, new=result.new)

    async def _send_all(
        self, channel: Channel, document: Document, deliveries: Sequence[Delivery], result: _Result
    ) -> None:
        """One after the other, so that the riskiest comes first, until it fails or takes too long."""
        ends = boot_seconds() + _BUDGET
        for number, delivery in enumerate(deliveries):
            answer = await self._send(channel, delivery)
            self._note(channel, delivery, answer, result)
            if answer.gone:
                await self._disable(channel, document)
            if not answer.ok or boot_seconds() > ends:
                return self._put_back(deliveries[number + 1 :], result)

    async def _send(self, channel: Channel, delivery: Delivery) -> Answer:
        asked = [delivery.approvals[one.about] for one in delivery.news[: letter.AT_MOST] if one.topic == "asked"]
        links = {one.id: link for one in asked if (link := await self._link(channel, one))}
        try:
            if not channel.is_webhook:
                return await others.notify(channel, self._reach, *letter.as_text(channel, delivery, links))
            content = letter.as_json(channel, delivery, links)
        except (UsageError, NotStorable) as error:  # this process lacks the extra, or what a newer one has learned
            return Answer(ok=False, error=str(error))
        return await webhook.post(self._client, channel, _id_of(delivery), content, self._clock.now())

    def _note(self, channel: Channel, delivery: Delivery, answer: Answer, result: _Result) -> None:
        message, now = delivery.message, self._clock.now()
        if answer.ok:
            result.settled.append(Sent(n=message.n, done=True))
            result.audit += [_told(channel, delivery.approvals[one.about], one.event, now) for one in delivery.news]
            return
        again = None if answer.gone else next_try(message.tries, now)
        if again is not None and answer.not_before is not None:
            again = max(again, answer.not_before)
        result.settled.append(Sent(n=message.n, next_at=again, error=answer.error))
        then = "given up" if again is None else f"tried again in {(again - now) / SECOND:.0f} s"
        logger.warning(
            "channel %s: message %d was not delivered (%s), try %d; %s",
            channel.id, message.n, answer.error, message.tries, then,
        )  # fmt: skip

    def _put_back(self, deliveries: Sequence[Delivery], result: _Result) -> None:
        """They were not tried: what has just failed would fail for them too, and it does not count as a try."""
        at = next_try(1, self._clock.now())
        assert at is not None  # there is always a second try
        for delivery in deliveries:
            settled, new = put_back(delivery.message, at)
            result.settled += settled
            result.new += new

    async def _disable(self, channel: Channel, document: Document) -> None:
        """The receiver wants no more. If somebody changes the channel meanwhile, it will say so again."""
        gone = channel.model_copy(update={"disabled": "the receiver answered 410 Gone"})
        entry = AuditEntry(
            at=self._clock.now(), actor=f"channel:{channel.id}", action="channel.disabled", subject=channel.id,
        )  # fmt: skip
        await self._store.put([gone.put(document.revision)], audit=[entry])
        logger.warning("channel %s is disabled: the receiver answered 410 Gone", channel.id)


def _id_of(delivery: Delivery) -> str:
    """The same whenever it is sent again; not that of another store's message, which may have the same number."""
    return f"msg_{delivery.message.n}_{delivery.message.at}"


def _routed(approval: Approval | None) -> bool:
    """Whether standing approvals have been looked at, or need not be any more."""
    try:
        return approval is None or approval.state is not ApprovalState.PENDING or Request.read(approval.body).routed
    except NotStorable:
        return True


def _readable(documents: Iterable[Document]) -> dict[str, Channel]:
    """Channels by id; those that a newer version has written are left to that."""
    found = {}
    for document in documents:
        try:
            found[document.id] = Channel.of(document)
        except ValueError:
            logger.warning("channel %s is written as a newer Holdfast does: this process leaves it alone", document.id)
    return found


def _told(channel: Channel, approval: Approval, event: str, at: int) -> AuditEntry:
    detail = codec.pack(codec.canonical({"event": event, "digest": approval.digest}))
    return AuditEntry(
        at=at, actor=f"channel:{channel.id}", action="approval.announced", subject=approval.id,
        run_id=approval.run_id, detail=detail,
    )  # fmt: skip
