"""The people of a server's store: the same verbs, over its API. ``by`` is who the token belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from holdfast.people.keys import OVERLAP, SigningKey
from holdfast.people.person import Person
from holdfast.people.scopes import scopes_named
from holdfast.people.tokens import Token
from holdfast.wire.values import micros_of


class Api(Protocol):
    """A server's API; see ``holdfast.store.remote``."""

    async def get(self, path: str, **query: Any) -> Any:
        """Ask for JSON."""

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Have something done."""

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Have something put."""

    async def delete(self, path: str) -> Any:
        """Have something deleted."""


class RemotePeople:
    """The people of a server's store; see :class:`~holdfast.people.directory.People`.

    Args:
        api: the server's.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def add(self, name: str, roles: Iterable[str], *, by: str) -> Person:
        return _person(await self._api.post("/api/people", {"name": name, "roles": list(roles)}))

    async def list(self) -> list[Person]:
        return [_person(one) for one in (await self._api.get("/api/people"))["people"]]

    async def set_roles(self, name: str, roles: Iterable[str], *, by: str) -> Person:
        return _person(await self._api.put(f"/api/people/{_segment(name)}/roles", {"roles": list(roles)}))

    async def remove(self, name: str, *, by: str) -> None:
        await self._api.delete(f"/api/people/{_segment(name)}")

    async def link(self, name: str) -> str:
        """The address of a link with which somebody can log in, once."""
        return str((await self._api.post(f"/api/people/{_segment(name)}/links"))["url"])

    async def issue(
        self, person: str, scopes: Iterable[str], *, by: str, label: str = "", lasts: int | None = None
    ) -> tuple[str, Token]:
        body = {"person": person, "scopes": list(scopes), "label": label}
        if lasts is not None:
            body["lasts"] = f"{lasts / 1000:f}ms"
        answer = await self._api.post("/api/tokens", body)
        return str(answer["secret"]), _token(answer)

    async def tokens(self, person: str | None = None) -> Sequence[Token]:
        return [_token(one) for one in (await self._api.get("/api/tokens", person=person))["tokens"]]

    async def revoke(self, token_id: str, *, by: str) -> Token:
        return _token(await self._api.delete(f"/api/tokens/{_segment(token_id)}"))

    async def issue_key(self, person: str, *, by: str, label: str = "") -> tuple[str, SigningKey]:
        answer = await self._api.post("/api/keys", {"person": person, "label": label})
        return str(answer["secret"]), _key(answer)

    async def keys(self, person: str | None = None) -> Sequence[SigningKey]:
        return [_key(one) for one in (await self._api.get("/api/keys", person=person))["keys"]]

    async def rotate_key(self, key_id: str, *, by: str, overlap: int = OVERLAP) -> tuple[str, SigningKey]:
        answer = await self._api.post(f"/api/keys/{_segment(key_id)}/rotation", {"overlap": f"{overlap / 1000:f}ms"})
        return str(answer["secret"]), _key(answer)

    async def revoke_key(self, key_id: str, *, by: str) -> SigningKey:
        return _key(await self._api.delete(f"/api/keys/{_segment(key_id)}"))


def _segment(text: str) -> str:
    return quote(text, safe="")


def _person(line: Mapping[str, Any]) -> Person:
    return Person(name=line["name"], roles=frozenset(line["roles"]), created_at=micros_of(str(line["created_at"])))


def _token(line: Mapping[str, Any]) -> Token:
    return Token(
        id=line["id"], person=line["person"], label=line["label"], scopes=scopes_named(line["scopes"]),
        created_at=micros_of(str(line["created_at"])), expires_at=micros_of(line["expires_at"]),
        used_at=micros_of(line["used_at"]),
    )  # fmt: skip


def _key(line: Mapping[str, Any]) -> SigningKey:
    return SigningKey(
        id=line["id"], person=line["person"], label=line["label"], created_at=micros_of(str(line["created_at"])),
        rotated_at=micros_of(line["rotated_at"]), old_until=micros_of(line["old_until"]),
    )  # fmt: skip
