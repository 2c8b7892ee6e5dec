"""Messages that other systems sign, after the Standard Webhooks specification: who has sent one, and that it is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.clock import SECOND, Clock
from holdfast.errors import MessageForged, MessageReplayed, MessageStale, NotFound, UnknownPerson
from holdfast.people.keys import SigningKey
from holdfast.people.person import Person
from holdfast.people.secret import digest_of, packed
from holdfast.records.document import Put
from holdfast.store.desk import Desk
from holdfast.wire.signing import is_signed

if TYPE_CHECKING:  # the directory has messages
    from holdfast.people.directory import People

SEEN = "seen"
TOLERANCE = 5 * 60 * SECOND
"""Microseconds that the clocks of sender and server may differ by, the way included; what the specification's own
libraries take."""
_LONGEST_ID = 200
_FORGED = "the message is signed with no key that is known here, or was changed on its way"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message as it came.

    Attributes:
        id: ``webhook-id``.
        at: ``webhook-timestamp``: seconds.
        signatures: ``webhook-signature``.
        body: exactly what came.
    """

    id: str
    at: str
    signatures: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """Who has signed a message.

    Attributes:
        person: as whom it decides, with the roles that they have now.
        key: with which it is signed.
    """

    person: Person
    key: SigningKey


class Messages:
    """What other systems send to a store's server."""

    def __init__(self, store: Desk, clock: Clock, people: People) -> None:
        self._store = store
        self._clock = clock
        self._people = people

    async def sender(self, message: Message, key_id: str) -> Sender:
        """Who has signed a message. Whether it is new is asked next: :meth:`check_new`.

        Raises:
            MessageForged: nobody who is known here.
        """
        if not (message.id and message.at and message.signatures):
            raise MessageForged("the message is not signed: it wants webhook-id, webhook-timestamp, webhook-signature")
        try:
            key, secrets = await self._people.keys.secrets(key_id)
        except NotFound as error:
            raise MessageForged(_FORGED) from error
        fits = len(message.id) <= _LONGEST_ID and message.at.isascii() and message.at.isdigit() and len(message.at) < 15
        if not fits or not is_signed(secrets, message.id, message.at, message.signatures, message.body):
            raise MessageForged(_FORGED)
        try:
            return Sender(person=await self._people.get(key.person), key=key)
        except UnknownPerson as error:
            raise MessageForged(f"{key.person}, whose key this is, is not known any more") from error

    async def check_new(self, message: Message, sender: Sender) -> None:
        """Whether a message comes in time, and for the first time.

        Raises:
            MessageStale: it was signed too long ago, or is from the future.
            MessageReplayed: it has decided already.
        """
        now = self._clock.now()
        apart = now - int(message.at) * SECOND
        if abs(apart) > TOLERANCE:
            when = f"{apart // SECOND} s ago" if apart > 0 else f"{-apart // SECOND} s from now"
            raise MessageStale(f"the message was signed {when}; {TOLERANCE // SECOND} s is the most: sign it anew")
        if await self._store.document(SEEN, _seen(message, sender), now=now) is not None:
            raise MessageReplayed(f"message {message.id} has decided already: each is good for one decision")

    async def spend(self, message: Message, sender: Sender) -> None:
        """Have a message decide no more; harmless if it was spent."""
        until = int(message.at) * SECOND + 2 * TOLERANCE  # it is stale by then, by the clock of any server
        put = Put(kind=SEEN, id=_seen(message, sender), revision=0, body=packed({}), expires_at=until)
        await self._store.put([put])


def _seen(message: Message, sender: Sender) -> str:
    return digest_of(f"{sender.key.id} {message.id}")
