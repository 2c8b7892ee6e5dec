"""The directory of channels, as documents of a store; and the messages that could not be delivered."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import SecretStr

from holdfast import codec
from holdfast.approvals.notifications import others
from holdfast.approvals.notifications.channel import CHANNEL, Channel
from holdfast.approvals.notifications.reach import ALLOW, Reach
from holdfast.clock import Clock, new_key
from holdfast.errors import BadOption, NotFound, StoreBusy, WrongState
from holdfast.records.approval import AuditEntry
from holdfast.records.document import Document, Put
from holdfast.records.outbox import Message
from holdfast.store.desk import Desk
from holdfast.wire import signing

_PAGE = 500


class Channels:
    """All channels of a store.

    Args:
        store: where they are kept.
        clock: tells when.

    Example:
        >>> async def main(store, clock):
        ...     night = Quiet.of("22:00-07:00 Europe/Lisbon")
        ...     channel = Channel(id="adjusters", url="https://hooks.example.com/x", to=("role:adjuster",), quiet=night)
        ...     return await Channels(store, clock).add(channel, by="ann")  # it has a secret now
    """

    def __init__(self, store: Desk, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def add(self, channel: Channel, *, by: str) -> Channel:
        """Add a channel. A webhook without a secret is given one: its receiver needs it, and it is not shown again.

        Raises:
            BadOption: the address or the secret is none.
            UsageError: the address needs apprise, which is not installed.
            WrongState: the id is taken.
        """
        made = _checked(channel).model_copy(update={"by": by, "made_at": self._clock.now()})
        if not await self._put(made.put(0), "channel.added", by):
            raise WrongState(f"there is a channel {channel.id!r} already: remove it first, or choose another name")
        return made

    async def all(self) -> list[Channel]:
        """All of them, by id."""
        found: list[Channel] = []
        while page := await self._store.documents(
            CHANNEL, now=self._clock.now(), after=found[-1].id if found else "", limit=_PAGE
        ):
            found += map(Channel.of, page)
        return found

    async def get(self, channel_id: str) -> Channel:
        """The channel of this id.

        Raises:
            NotFound: there is none.
        """
        return Channel.of(await self._document(channel_id))

    async def remove(self, channel_id: str, *, by: str) -> None:
        """Remove a channel: it is told nothing any more, and what it was to be told is dropped.

        Raises:
            NotFound: there is none.
            StoreBusy: somebody else has changed it at the same time.
        """
        document = await self._document(channel_id)
        gone = Put(kind=CHANNEL, id=channel_id, revision=document.revision, body=None)
        if not await self._put(gone, "channel.removed", by):
            raise StoreBusy(f"channel {channel_id} was changed at the same time: try again")

    async def tested(self, channel_id: str, error: str, *, by: str) -> None:
        """Note that somebody had a channel tested, and why it was not told; empty if it was."""
        detail = codec.pack(codec.canonical({"error": error}))
        entry = AuditEntry(
            at=self._clock.now(), actor=by, action="channel.tested", subject=channel_id, detail=detail
        )  # fmt: skip
        await self._store.audit([entry])

    async def dead(self, *, after: int = 0, limit: int = 100) -> list[Message]:
        """Messages that were given up, by number."""
        return await self._store.dead_messages(after=after, limit=limit)

    async def revive(self, n: int, *, by: str) -> None:
        """Try a message again that was given up; if its channel was disabled, it is enabled.

        Raises:
            NotFound: no message of this number was given up.
        """
        dead = await self._store.dead_messages(after=n - 1, limit=1)
        if not dead or dead[0].n != n:
            raise NotFound(f"no message {n} was given up: `holdfast channels dead` lists those that were")
        await self._enable(dead[0].channel, by)
        await self._store.revive_message(n, now=self._clock.now())

    # -- inside

    async def _enable(self, channel_id: str, by: str) -> None:
        document = await self._store.document(CHANNEL, channel_id, now=self._clock.now())
        if document is None:
            raise NotFound(f"the channel {channel_id!r} of this message was removed: add it again first")
        channel = Channel.of(document)
        if channel.disabled:
            enabled = channel.model_copy(update={"disabled": ""})
            await self._put(enabled.put(document.revision), "channel.enabled", by)

    async def _document(self, channel_id: str) -> Document:
        found = await self._store.document(CHANNEL, channel_id, now=self._clock.now())
        if found is None:
            raise NotFound(f"there is no channel {channel_id!r}: `holdfast channels list` shows those that are there")
        return found

    async def _put(self, put: Put, action: str, by: str) -> bool:
        entry = AuditEntry(at=self._clock.now(), actor=by, action=action, subject=put.id, detail=codec.pack(b"{}"))
        return await self._store.put([put], audit=[entry])


def _checked(channel: Channel) -> Channel:
    if not channel.is_webhook:
        others.check(channel.url.get_secret_value())
        return channel
    try:
        parts = urlsplit(channel.url.get_secret_value())
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0) and parts.username is None
    except ValueError:
        usable = False
    if not usable:
        raise BadOption("a webhook's address is https://host/path, without a name or password in it")
    if Reach.from_environment().refuses(parts.hostname or ""):
        raise BadOption(f"messages are not sent to {parts.hostname}: {ALLOW} allows networks")
    if not channel.secret.get_secret_value():
        return channel.model_copy(update={"secret": SecretStr(signing.secret_of(new_key()))})
    signing.key_of(channel.secret.get_secret_value())
    return channel
