"""``/api/keys``: with which other systems sign what they decide as somebody."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field, JsonValue

from holdfast.clock import micros
from holdfast.people.shown import key_json
from holdfast.server.access import Admin
from holdfast.server.house import InHouse
from holdfast.server.shapes import Asked, InPath, Text, Time, Told, Word, problems

router = APIRouter(tags=["people"], responses=problems(404, 409))
KeyId = Annotated[InPath, Path(max_length=64, description="A signing key's id.")]
_EXAMPLE: dict[str, JsonValue] = {
    "id": "01kb3w8m6e8q2c5t7v9x1z3b5d", "person": "erp", "label": "approvals of the ERP",
    "created_at": "2026-11-23T08:00:00Z", "rotated_at": None, "old_until": None,
}  # fmt: skip


class KeyShape(Told):
    """A signing key, without its secret."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: str = Field(description="Messages name it as `key`. It stays when the secret is rotated.")
    person: str
    label: str
    created_at: Time
    rotated_at: Time | None = Field(description="When it was given its present secret; null: it has its first.")
    old_until: Time | None = Field(description="Until when the secret before is good too.")


class KeysShape(Told):
    """Signing keys, by id."""

    keys: list[KeyShape]


class NewKey(Asked):
    """A key to be made."""

    person: Word
    label: Text = ""


class Rotation(Asked):
    """How a secret is changed."""

    overlap: str = Field(
        "1d", pattern=r"^[0-9.]+(ms|s|m|h|d|w)", max_length=40,
        description="How long the secret before is good for; `0s` if others know it.",
    )  # fmt: skip


class IssuedKey(KeyShape):
    """A key that was made or rotated, with its secret: it is told now and never again."""

    secret: str = Field(description="`whsec_` and base64, as libraries for Standard Webhooks take it.")


class _Whose(Asked):
    person: Word | None = None


@router.get("/api/keys", response_model=KeysShape)
async def list_keys(_: Admin, house: InHouse, whose: Annotated[_Whose, Query()]) -> Any:
    """Signing keys."""
    return {"keys": [key_json(key) for key in await house.people.keys.list(whose.person)]}


@router.post("/api/keys", response_model=IssuedKey, status_code=201)
async def issue_key(who: Admin, house: InHouse, asked: NewKey) -> Any:
    """Make a signing key."""
    secret, key = await house.people.keys.issue(asked.person, by=who.person.name, label=asked.label)
    return key_json(key) | {"secret": secret}


@router.post("/api/keys/{key_id}/rotation", response_model=IssuedKey)
async def rotate_key(who: Admin, house: InHouse, key_id: KeyId, asked: Rotation) -> Any:
    """Give a signing key another secret; the one before is good for a while."""
    secret, key = await house.people.keys.rotate(key_id, by=who.person.name, overlap=micros(asked.overlap))
    return key_json(key) | {"secret": secret}


@router.delete("/api/keys/{key_id}", response_model=KeyShape)
async def revoke_key(who: Admin, house: InHouse, key_id: KeyId) -> Any:
    """Make a signing key worth nothing."""
    return key_json(await house.people.keys.revoke(key_id, by=who.person.name))
