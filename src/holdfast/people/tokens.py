"""API tokens: secrets that a program sends with each request. The store keeps their digests only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from holdfast.clock import SECOND, Clock, new_secret
from holdfast.errors import BadOption, NotAuthenticated, NotFound, StoreError, UnknownPerson
from holdfast.people.person import Caller
from holdfast.people.scopes import Scope, scopes_named
from holdfast.people.secret import digest_of, packed, unpacked
from holdfast.records.approval import AuditEntry
from holdfast.records.document import Document, Put
from holdfast.store.desk import Desk

if TYPE_CHECKING:  # the directory has tokens
    from holdfast.people.directory import People

TOKEN, PREFIX = "token", "hf_"
_PAGE = 500
_SHOWN = 16  # digits of the digest by which a token is named
_USE_NOTED = 60 * SECOND  # its last use is written down as often


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """What is known of a token; not its secret.

    Attributes:
        id: the beginning of its digest.
        person: whose it is.
        label: what it is for.
        scopes: what it may be used for, as far as the person may do that.
        created_at: microseconds.
        expires_at: from then on it is worth nothing; None: until it is revoked.
        used_at: its last use, to the minute; None: never.
        since: when its person was made known; None: nobody has noted it.
    """

    id: str
    person: str
    label: str
    scopes: frozenset[Scope]
    created_at: int
    expires_at: int | None
    used_at: int | None
    since: int | None = None


class Tokens:
    """The tokens of a store's people."""

    def __init__(self, store: Desk, clock: Clock, people: People) -> None:
        self._store = store
        self._clock = clock
        self._people = people

    async def issue(
        self, person: str, scopes: Iterable[str], *, by: str, label: str = "", lasts: int | None = None
    ) -> tuple[str, Token]:
        """Make a token; its secret is told now and never again.

        Args:
            person: whose it is.
            scopes: what it may be used for.
            by: who makes it, for the audit trail.
            label: what it is for.
            lasts: microseconds until it expires; by default it does not.

        Raises:
            BadOption: there is no such scope, or none is given.
            UnknownPerson: nobody has this name.
        """
        allowed = scopes_named(scopes)
        if not allowed:
            raise BadOption(f"a token without scopes is of no use: choose from {', '.join(Scope)}")
        if len(label) > 200 or not label.isprintable():
            raise BadOption("a label is up to 200 printable characters")
        known = await self._people.get(person)
        now, secret = self._clock.now(), PREFIX + new_secret()
        token = Token(
            id=digest_of(secret)[:_SHOWN], person=person, label=label, scopes=allowed, created_at=now,
            expires_at=None if lasts is None else now + lasts, used_at=None, since=known.created_at,
        )  # fmt: skip
        audit = self._audit("token.issued", token, by)
        await self._store.put([_put(digest_of(secret), 0, token)], audit=[audit])
        return secret, token

    async def list(self, person: str | None = None) -> list[Token]:
        """All tokens, or somebody's, by id."""
        tokens = [_token(document) async for document in self._documents()]
        return [token for token in tokens if person in (None, token.person)]

    async def revoke(self, token_id: str, *, by: str) -> Token:
        """Make a token worth nothing, from its next use on.

        Raises:
            NotFound: there is none with this id.
        """
        async for document in self._documents():
            if document.id[:_SHOWN] == token_id:
                return await self._gone(document, by)
        raise NotFound(f"no token {token_id[:40]!r}: `holdfast tokens list` shows those there are")

    async def caller(self, secret: str) -> Caller:
        """Who comes with this secret.

        Raises:
            NotAuthenticated: it is no token, or was revoked, or has expired, or its person is gone.
        """
        document = await self._store.document(TOKEN, digest_of(secret), now=self._clock.now())
        if document is None:
            raise NotAuthenticated("this token is unknown, revoked or expired: `holdfast tokens new` makes one")
        token = _token(document)
        try:
            person = await self._people.still(token.person, token.since)
        except UnknownPerson as error:
            raise NotAuthenticated(f"the token's person, {token.person}, is not known any more") from error
        await self._note_use(document, token)
        return Caller(person=person, scopes=person.scopes & token.scopes, via=f"token:{token.id}")

    # -- inside

    async def _documents(self) -> AsyncIterator[Document]:
        after = ""
        while page := await self._store.documents(TOKEN, now=self._clock.now(), after=after, limit=_PAGE):
            for document in page:
                yield document
            after = page[-1].id

    async def _note_use(self, document: Document, token: Token) -> None:
        now = self._clock.now()
        if token.used_at is None or now - token.used_at >= _USE_NOTED:
            try:
                await self._store.put([_put(document.id, document.revision, replace(token, used_at=now))])
            except StoreError:  # the request itself will say so, if it matters to it
                return

    async def _gone(self, document: Document, by: str) -> Token:
        token = _token(document)
        audit = self._audit("token.revoked", token, by)
        while not await self._store.put(
            [Put(kind=TOKEN, id=document.id, revision=document.revision, body=None)], audit=[audit]
        ):  # its last use was noted meanwhile
            again = await self._store.document(TOKEN, document.id, now=self._clock.now())
            if again is None:
                break
            document = again
        return token

    def _audit(self, action: str, token: Token, by: str) -> AuditEntry:
        detail: dict[str, Any] = {"person": token.person, "label": token.label, "scopes": sorted(token.scopes)}
        return AuditEntry(at=self._clock.now(), actor=by, action=action, subject=token.id, detail=packed(detail))


def _put(document_id: str, revision: int, token: Token) -> Put:
    body = {
        "person": token.person,
        "label": token.label,
        "scopes": sorted(token.scopes),
        "created_at": token.created_at,
        "used_at": token.used_at,
        "since": token.since,
    }
    return Put(kind=TOKEN, id=document_id, revision=revision, body=packed(body), expires_at=token.expires_at)


def _token(document: Document) -> Token:
    body = unpacked(document.body)
    return Token(
        id=document.id[:_SHOWN], person=body["person"], label=body["label"], scopes=scopes_named(body["scopes"]),
        created_at=body["created_at"], expires_at=document.expires_at, used_at=body["used_at"],
        since=body.get("since"),
    )  # fmt: skip
