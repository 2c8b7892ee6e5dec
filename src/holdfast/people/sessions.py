"""Sessions of browsers, and the one-time links that begin them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.clock import SECOND, Clock, new_secret
from holdfast.errors import NotAuthenticated, UnknownPerson
from holdfast.people.person import Caller, Person
from holdfast.people.secret import digest_of, packed, unpacked
from holdfast.records.approval import AuditEntry
from holdfast.records.document import Put
from holdfast.store.desk import Desk

if TYPE_CHECKING:  # the directory has sessions
    from holdfast.people.directory import People

SESSION, LINK = "session", "link"
LASTS = 12 * 3600 * SECOND
"""Microseconds that a session lasts."""
LINK_LASTS = 15 * 60 * SECOND
"""Microseconds that a link can be used for."""

_OLD_LINK = "this link was used already, or has expired: ask for another (`holdfast people link NAME`)"
_NO_SESSION = "this session has ended: log in again"


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session that has begun.

    Attributes:
        secret: what the browser's cookie holds.
        person: whose it is.
        expires_at: microseconds.
    """

    secret: str
    person: str
    expires_at: int


class Sessions:
    """The sessions of a store's people."""

    def __init__(self, store: Desk, clock: Clock, people: People) -> None:
        self._store = store
        self._clock = clock
        self._people = people

    async def link(self, person: str, *, by: str) -> str:
        """The secret of a link with which somebody can log in, once, within a quarter of an hour.

        Raises:
            UnknownPerson: nobody has this name.
        """
        known = await self._people.get(person)
        secret, now = new_secret(), self._clock.now()
        body = packed({"person": person, "since": known.created_at})
        put = Put(kind=LINK, id=digest_of(secret), revision=0, body=body, expires_at=now + LINK_LASTS)
        await self._store.put([put], audit=[self._audit("link.made", person, by)])
        return secret

    async def invited(self, secret: str) -> str:
        """Whom a link is for; it is as good as before.

        Raises:
            NotAuthenticated: it was used, has expired, or never was one.
        """
        found = await self._store.document(LINK, digest_of(secret), now=self._clock.now())
        if found is None:
            raise NotAuthenticated(_OLD_LINK)
        return (await self._whose(unpacked(found.body), _OLD_LINK)).name

    async def enter(self, secret: str, *, before: str | None = None) -> Session:
        """Use up a link and begin a session: both, or neither.

        Args:
            secret: of the link.
            before: the secret of the session that the browser had, which ends.

        Raises:
            NotAuthenticated: the link was used, has expired, or never was one.
        """
        link = digest_of(secret)
        person = await self.invited(secret)
        found = await self._store.document(LINK, link, now=self._clock.now())
        if found is None:
            raise NotAuthenticated(_OLD_LINK)
        return await self._begin(
            person, before, "link", Put(kind=LINK, id=link, revision=found.revision, body=None), refusal=_OLD_LINK
        )

    async def begin(self, person: str, *, via: str, before: str | None = None) -> Session:
        """Begin a session of somebody who has proved elsewhere who they are.

        Raises:
            UnknownPerson: nobody has this name.
        """
        return await self._begin(person, before, via)

    async def caller(self, secret: str) -> Caller:
        """Whose session this is.

        Raises:
            NotAuthenticated: it has ended, or never was one, or its person is gone.
        """
        digest = digest_of(secret)
        found = await self._store.document(SESSION, digest, now=self._clock.now())
        if found is None:
            raise NotAuthenticated(_NO_SESSION)
        body = unpacked(found.body)
        person = await self._whose(body, _NO_SESSION)
        return Caller(person=person, scopes=person.scopes, via="session", csrf=body["csrf"], session=digest)

    async def leave(self, secret: str) -> None:
        """End a session; harmless if it has ended."""
        found = await self._store.document(SESSION, digest_of(secret), now=self._clock.now())
        if found is not None:
            audit = self._audit("session.ended", unpacked(found.body)["person"], unpacked(found.body)["person"])
            await self._store.put([Put(kind=SESSION, id=found.id, revision=found.revision, body=None)], audit=[audit])

    # -- inside

    async def _whose(self, body: dict[str, Any], refusal: str) -> Person:
        try:
            return await self._people.still(body["person"], body.get("since"))
        except UnknownPerson as error:
            raise NotAuthenticated(refusal) from error

    async def _begin(
        self, person: str, before: str | None, via: str, *puts: Put, refusal: str = "try again"
    ) -> Session:
        if before is not None:
            await self.leave(before)
        known, now = await self._people.get(person), self._clock.now()
        session = Session(secret=new_secret(), person=person, expires_at=now + LASTS)
        body = {"person": person, "since": known.created_at, "csrf": new_secret(), "created_at": now, "via": via}
        put = Put(
            kind=SESSION, id=digest_of(session.secret), revision=0, body=packed(body), expires_at=session.expires_at
        )
        if not await self._store.put([*puts, put], audit=[self._audit("session.begun", person, person)]):
            raise NotAuthenticated(refusal)
        return session

    def _audit(self, action: str, person: str, by: str) -> AuditEntry:
        return AuditEntry(at=self._clock.now(), actor=by, action=action, subject=person)
