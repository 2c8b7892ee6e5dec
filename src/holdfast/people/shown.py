"""People, their tokens and signing keys as the API and the command show them."""

from __future__ import annotations

from typing import Any

from holdfast.people.keys import SigningKey
from holdfast.people.person import Person
from holdfast.people.tokens import Token
from holdfast.wire.values import iso


def person_json(person: Person) -> dict[str, Any]:
    """A person."""
    return {"name": person.name, "roles": sorted(person.roles), "created_at": iso(person.created_at)}


def token_json(token: Token) -> dict[str, Any]:
    """A token, without its secret."""
    return {
        "id": token.id,
        "person": token.person,
        "label": token.label,
        "scopes": sorted(token.scopes),
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
        "used_at": iso(token.used_at),
    }


def key_json(key: SigningKey) -> dict[str, Any]:
    """A signing key, without its secret."""
    return {
        "id": key.id,
        "person": key.person,
        "label": key.label,
        "created_at": iso(key.created_at),
        "rotated_at": iso(key.rotated_at),
        "old_until": iso(key.old_until),
    }
