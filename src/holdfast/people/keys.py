"""Signing keys: with which other systems sign what they decide, as somebody. The store keeps them sealed, not digests:
a signature can only be checked by who has the key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from holdfast.clock import SECOND, Clock, new_id, new_key
from holdfast.errors import BadOption, NotFound, StoreBusy
from holdfast.people.secret import packed, unpacked
from holdfast.records.approval import AuditEntry
from holdfast.records.document import Document, Put
from holdfast.store.desk import Desk
from holdfast.wire.signing import secret_of

if TYPE_CHECKING:  # the directory has keys
    from holdfast.people.directory import People

KIND = "signing"
OVERLAP = 86_400 * SECOND
"""Microseconds that the secret before is good for after a rotation, unless something else is said."""
_LONGEST_OVERLAP = 30 * 86_400 * SECOND
_PAGE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """What is known of a signing key; not its secret.

    Attributes:
        id: names it in messages; it stays when the secret is rotated.
        person: whose decisions it signs: a person, or a service that is known as one.
        label: what it is for.
        created_at: microseconds.
        rotated_at: when it was given its present secret; None: it has its first.
        old_until: until when the secret before is good too; None: there is none.
    """

    id: str
    person: str
    label: str
    created_at: int
    rotated_at: int | None = None
    old_until: int | None = None


class SigningKeys:
    """The signing keys of a store's people.

    Example:
        >>> async def main(store, clock):
        ...     secret, key = await People(store, clock).keys.issue("erp", by="admin")
        ...     return await People(store, clock).keys.rotate(key.id, by="admin")
    """

    def __init__(self, store: Desk, clock: Clock, people: People) -> None:
        self._store = store
        self._clock = clock
        self._people = people

    async def issue(self, person: str, *, by: str, label: str = "") -> tuple[str, SigningKey]:
        """Make a key; its secret is told now and never again.

        Args:
            person: whose decisions it signs.
            by: who makes it, for the audit trail.
            label: what it is for.

        Raises:
            BadOption: the label is none.
            UnknownPerson: nobody has this name.
        """
        if len(label) > 200 or not label.isprintable():
            raise BadOption("a label is up to 200 printable characters")
        await self._people.get(person)
        now, secret = self._clock.now(), secret_of(new_key())
        key = SigningKey(id=new_id(now), person=person, label=label, created_at=now)
        await self._store.put([_put(key, 0, secret)], audit=[self._audit("key.issued", key, by)])
        return secret, key

    async def list(self, person: str | None = None) -> list[SigningKey]:
        """All keys, or somebody's, by id."""
        keys = [_key(document) async for document in self._documents()]
        return [key for key in keys if person in (None, key.person)]

    async def rotate(self, key_id: str, *, by: str, overlap: int = OVERLAP) -> tuple[str, SigningKey]:
        """Give a key another secret, which is told now and never again.

        Args:
            key_id: which.
            by: who does it, for the audit trail.
            overlap: microseconds that the secret before stays good, for its sender to change over; 0: it is known to
                others, and worth nothing from now on. The one before that is worth nothing in any case.

        Raises:
            BadOption: the overlap is longer than 30 days.
            NotFound: there is none with this id.
            StoreBusy: somebody else has changed it at the same time.
        """
        if not 0 <= overlap <= _LONGEST_OVERLAP:
            raise BadOption("the secret before is good for 30 days more at the most")
        document = await self._document(key_id)
        now, secret = self._clock.now(), secret_of(new_key())
        key = replace(_key(document), rotated_at=now, old_until=now + overlap if overlap else None)
        old = unpacked(document.body)["secret"] if overlap else None
        await self._changed(_put(key, document.revision, secret, old), self._audit("key.rotated", key, by))
        return secret, key

    async def revoke(self, key_id: str, *, by: str) -> SigningKey:
        """Make a key worth nothing, from the next message on.

        Raises:
            NotFound: there is none with this id.
            StoreBusy: somebody else has changed it at the same time.
        """
        document = await self._document(key_id)
        key, gone = _key(document), Put(kind=KIND, id=key_id, revision=document.revision, body=None)
        await self._changed(gone, self._audit("key.revoked", key, by))
        return key

    async def secrets(self, key_id: str) -> tuple[SigningKey, Sequence[str]]:
        """A key, and the secrets that may sign for it now.

        Raises:
            NotFound: there is none with this id.
        """
        document = await self._document(key_id)
        key, body = _key(document), unpacked(document.body)
        old = key.old_until is not None and self._clock.now() < key.old_until
        return key, [body["secret"], *([body["old"]] if old else ())]

    # -- inside

    async def _documents(self) -> AsyncIterator[Document]:
        after = ""
        while page := await self._store.documents(KIND, now=self._clock.now(), after=after, limit=_PAGE):
            for document in page:
                yield document
            after = page[-1].id

    async def _document(self, key_id: str) -> Document:
        found = await self._store.document(KIND, key_id, now=self._clock.now())
        if found is None:
            raise NotFound(f"no signing key {key_id[:40]!r}: `holdfast keys list` shows those there are")
        return found

    async def _changed(self, put: Put, audit: AuditEntry) -> None:
        if not await self._store.put([put], audit=[audit]):
            raise StoreBusy(f"signing key {put.id} was changed at the same time: look again, and try again")

    def _audit(self, action: str, key: SigningKey, by: str) -> AuditEntry:
        detail: dict[str, Any] = {"person": key.person, "label": key.label, "old_until": key.old_until}
        return AuditEntry(at=self._clock.now(), actor=by, action=action, subject=key.id, detail=packed(detail))


def _put(key: SigningKey, revision: int, secret: str, old: str | None = None) -> Put:
    body = {
        "person": key.person,
        "label": key.label,
        "created_at": key.created_at,
        "rotated_at": key.rotated_at,
        "old_until": key.old_until,
        "secret": secret,
        "old": old,
    }
    return Put(kind=KIND, id=key.id, revision=revision, body=packed(body))


def _key(document: Document) -> SigningKey:
    body = unpacked(document.body)
    known = {name: body[name] for name in ("person", "label", "created_at", "rotated_at", "old_until")}
    return SigningKey(id=document.id, **known)
