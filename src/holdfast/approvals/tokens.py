"""Decision tokens: what stands in the links of notifications, and lets its bearer decide one approval, once.

A token is a compact JWS (RFC 7515, HS256) under a key that only the store holds (a document of kind ``key``). It says
whose decision it will be, about which approval of which run, of which digest, and until when. It lets nobody do more
than that person may: who may decide is asked when it is used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from holdfast import codec
from holdfast.clock import SECOND, Clock, new_id, new_secret
from holdfast.errors import StoreBusy, TokenExpired, TokenForged, TokenMisplaced, TokenUsed
from holdfast.records.document import Put
from holdfast.store.desk import Desk

KEY, SEEN = "key", "seen"
_NAME = "decisions"
_ALGORITHM = "HS256"
_KIND = "holdfast-decision"
LASTS = 7 * 86_400 * SECOND
"""Microseconds that a token is good for, unless something else is said."""
_LONGEST = 8_192  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """What a token says.

    Attributes:
        id: its own.
        person: whose decision it makes.
        approval: what it is about.
        run: that asks.
        digest: of what is to be decided.
        issued_at: microseconds.
        expires_at: microseconds.
    """

    id: str
    person: str
    approval: str
    run: str
    digest: str
    issued_at: int
    expires_at: int


class DecisionTokens:
    """Makes tokens and takes them.

    Args:
        store: keeps the key, and which tokens were used.
        clock: tells when they expire.

    Example:
        >>> async def main(store, clock, case):
        ...     tokens = DecisionTokens(store, clock)
        ...     return await tokens.issue("ann", case.id, run=case.run_id, digest=case.digest)
    """

    def __init__(self, store: Desk, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._key: OctKey | None = None

    async def issue(self, person: str, approval: str, *, run: str, digest: str, lasts: int = LASTS) -> str:
        """A token with which a person can decide what has this digest now.

        Args:
            person: whose decision it will be.
            approval: the id of what it is about.
            run: the id of the run that asks.
            digest: of what is to be decided.
            lasts: microseconds.
        """
        now = self._clock.now()
        claims = {
            "jti": new_id(now), "sub": person, "apr": approval, "run": run, "dig": digest, "iat": now,
            "exp": now + lasts,
        }  # fmt: skip
        header = {"alg": _ALGORITHM, "typ": _KIND}
        return jws.serialize_compact(header, codec.canonical(claims), await self._signing_key())

    async def read(self, token: str, approval: str) -> Claims:
        """What a token says, if it may decide this approval.

        Raises:
            TokenForged: it was not made here, or was changed.
            TokenMisplaced: it is for another approval.
            TokenExpired: its time is over.
            TokenUsed: it has decided already.
        """
        claims = _claims(token, await self._signing_key())
        if claims.approval != approval:
            raise TokenMisplaced("this token is for another approval than the one that it was sent to")
        if claims.expires_at <= self._clock.now():
            raise TokenExpired("this token has expired: log in to decide, or ask for another")
        if await self._store.document(SEEN, claims.id, now=self._clock.now()) is not None:
            raise TokenUsed("this token has decided already: each is good for one decision")
        return claims

    async def spend(self, claims: Claims) -> None:
        """Have a token decide no more; harmless if it was spent."""
        put = Put(kind=SEEN, id=claims.id, revision=0, body=codec.pack(b"{}"), expires_at=claims.expires_at)
        await self._store.put([put])

    # -- inside

    async def _signing_key(self) -> OctKey:
        if self._key is None:
            found = await self._store.document(KEY, _NAME, now=self._clock.now())
            body = await self._make_key() if found is None else found.body
            self._key = OctKey.import_key({"kty": "oct", "k": json.loads(codec.unpack(body))["k"]})
        return self._key

    async def _make_key(self) -> bytes:
        body = codec.pack(codec.canonical({"k": new_secret()}))
        await self._store.put([Put(kind=KEY, id=_NAME, revision=0, body=body)])  # the first wins
        found = await self._store.document(KEY, _NAME, now=self._clock.now())
        if found is None:
            raise StoreBusy("the key of decision tokens was removed as it was made: try again")
        return found.body


def _claims(token: str, key: OctKey) -> Claims:
    try:
        if len(token) > _LONGEST:
            raise ValueError("too long")
        read = jws.deserialize_compact(token, key, algorithms=[_ALGORITHM])
        if read.headers().get("typ") != _KIND:
            raise ValueError("of another kind")
        body: dict[str, Any] = json.loads(read.payload or b"")
        return Claims(
            id=body["jti"], person=body["sub"], approval=body["apr"], run=body["run"], digest=body["dig"],
            issued_at=body.get("iat", body["exp"]), expires_at=body["exp"],
        )  # fmt: skip
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise TokenForged("this decision token was not made by this server, or was changed on its way") from error
