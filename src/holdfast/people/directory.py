"""The directory: persons, as documents of a store."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterable
from typing import Any

from holdfast.clock import SECOND, Clock
from holdfast.errors import StoreBusy, UnknownPerson, WrongState
from holdfast.people.keys import SigningKeys
from holdfast.people.messages import Messages
from holdfast.people.person import Person, checked_name, checked_roles
from holdfast.people.secret import packed, unpacked
from holdfast.people.sessions import Sessions
from holdfast.people.tokens import Tokens
from holdfast.records.approval import AuditEntry
from holdfast.records.document import Document, Put
from holdfast.store.desk import Desk

PERSON = "person"
_PAGE = 500
_APART = 300 * SECOND  # clocks of machines that differ by less are one


class People:
    """Everybody that a store knows.

    Args:
        store: where they are kept.
        clock: tells when.

    Attributes:
        tokens: their API tokens.
        sessions: their browsers' sessions, and the links that begin them.
        keys: with which other systems sign what they decide as somebody.
        messages: that are signed so.

    Example:
        >>> async def main(store, clock):
        ...     people = People(store, clock)
        ...     await people.add("ann", ["adjuster"], by="admin")
        ...     secret, token = await people.tokens.issue("ann", ["decide"], by="admin")
    """

    def __init__(self, store: Desk, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.tokens = Tokens(store, clock, self)
        self.sessions = Sessions(store, clock, self)
        self.keys = SigningKeys(store, clock, self)
        self.messages = Messages(store, clock, self)

    async def add(self, name: str, roles: Iterable[str], *, by: str) -> Person:
        """Make somebody known.

        Args:
            name: theirs.
            roles: ``admin``, ``operator``, ``starter``, ``viewer``, ``reviewer``, and those approvals are addressed to.
            by: who does it, for the audit trail.

        Raises:
            BadOption: the name or a role is no word.
            WrongState: the name is taken.
        """
        person = Person(name=checked_name(name), roles=checked_roles(roles), created_at=self._clock.now())
        if not await self._put(person, 0, "person.added", by):
            raise WrongState(f"{name} is known already: `holdfast people roles {name} …` gives them other roles")
        return person

    async def get(self, name: str) -> Person:
        """Who has this name.

        Raises:
            UnknownPerson: nobody.
        """
        return _person(await self._document(name))

    async def roles_since(self, name: str, at: int, otherwise: frozenset[str]) -> frozenset[str] | None:
        """The roles that somebody has now, who was known at a time and has been since.

        Args:
            name: whose.
            at: microseconds.
            otherwise: theirs, if this store knows nobody at all: whoever lets people in says then who they are.

        Returns:
            None if they are not known any more, or only again.
        """
        found = await self._store.document(PERSON, name, now=self._clock.now())
        if found is None:
            return None if await self.any() else otherwise
        person = _person(found)
        return person.roles if person.created_at <= at + _APART else None

    async def still(self, name: str, since: int | None) -> Person:
        """Who has this name, and has had it since then: somebody who was removed and added again is another.

        Args:
            name: theirs.
            since: when they were made known (``Person.created_at``); None: nobody has noted it.

        Raises:
            UnknownPerson: nobody has the name, or somebody else.
        """
        person = await self.get(name)
        if since not in (None, person.created_at):
            raise UnknownPerson(f"whoever was known as {name!r} is not known any more: somebody else has the name now")
        return person

    async def list(self) -> list[Person]:
        """All of them, by name."""
        return [person async for person in self._all()]

    async def any(self) -> bool:
        """Whether anybody is known."""
        return bool(await self._store.documents(PERSON, now=self._clock.now(), limit=1))

    async def set_roles(self, name: str, roles: Iterable[str], *, by: str) -> Person:
        """Give somebody these roles and no others. It counts from their next request on.

        Raises:
            BadOption: a role is no word.
            UnknownPerson: nobody has this name.
            StoreBusy: somebody else has changed them at the same time.
        """
        document = await self._document(name)
        known = _person(document)
        person = Person(name=name, roles=checked_roles(roles), created_at=known.created_at)
        if not await self._put(person, document.revision, "person.roles", by):
            raise StoreBusy(f"{name} was changed at the same time: look again, and try again")
        return person

    async def ensure(self, name: str, roles: Iterable[str], *, by: str) -> Person:
        """Have somebody known, with these roles.

        Raises:
            BadOption: the name or a role is no word.
        """
        try:
            known = await self.get(name)
        except UnknownPerson:
            return await self.add(name, roles, by=by)
        return known if known.roles == frozenset(roles) else await self.set_roles(name, roles, by=by)

    async def remove(self, name: str, *, by: str) -> None:
        """Forget somebody, with their tokens and signing keys. Their sessions end with the next request.

        What they did stays audited.

        Raises:
            UnknownPerson: nobody has this name.
            StoreBusy: somebody else has changed them at the same time.
        """
        document = await self._document(name)
        gone = Put(kind=PERSON, id=name, revision=document.revision, body=None)
        if not await self._store.put([gone], audit=[self._audit("person.removed", name, by, {})]):
            raise StoreBusy(f"{name} was changed at the same time: look again, and try again")
        for token in await self.tokens.list(name):
            await self.tokens.revoke(token.id, by=by)
        for key in await self.keys.list(name):
            await self.keys.revoke(key.id, by=by)

    # -- inside

    async def _document(self, name: str) -> Document:
        found = await self._store.document(PERSON, name, now=self._clock.now())
        if found is None:
            raise UnknownPerson(f"nobody is known as {name[:120]!r}: `holdfast people list` shows who is")
        return found

    async def _all(self) -> AsyncIterator[Person]:
        after = ""
        page = functools.partial(self._store.documents, PERSON, limit=_PAGE)
        while found := await page(now=self._clock.now(), after=after):
            for document in found:
                yield _person(document)
            after = found[-1].id

    async def _put(self, person: Person, revision: int, action: str, by: str) -> bool:
        body = {"roles": sorted(person.roles), "created_at": person.created_at}
        put = Put(kind=PERSON, id=person.name, revision=revision, body=packed(body))
        audit = self._audit(action, person.name, by, {"roles": sorted(person.roles)})
        return await self._store.put([put], audit=[audit])

    def _audit(self, action: str, name: str, by: str, detail: dict[str, Any]) -> AuditEntry:
        return AuditEntry(at=self._clock.now(), actor=by, action=action, subject=name, detail=packed(detail))


def _person(document: Document) -> Person:
    body = unpacked(document.body)
    return Person(name=document.id, roles=frozenset(body["roles"]), created_at=body["created_at"])
