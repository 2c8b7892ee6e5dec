"""``/api/people``, ``/api/tokens``, ``/api/me``: who may do what."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field

from holdfast.clock import SECOND, micros
from holdfast.errors import BadOption
from holdfast.people import Scope
from holdfast.people.shown import person_json, token_json
from holdfast.server.access import Admin, Known
from holdfast.server.house import House, InHouse
from holdfast.server.shapes import Asked, Done, InPath, Text, Time, Told, Word, problems

router = APIRouter(tags=["people"], responses=problems(404, 409))
Name = Annotated[InPath, Path(max_length=100, description="A person's name.", examples=["ann"])]
_LONGEST = 100 * 366 * 86_400 * SECOND


class PersonShape(Told):
    """Somebody."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "ann", "roles": ["adjuster"], "created_at": "2026-11-23T08:00:00Z"}}
    )

    name: str
    roles: list[str]
    created_at: Time


class PeopleShape(Told):
    """Everybody, by name."""

    people: list[PersonShape]


class Me(Told):
    """Who asks, and what they may do with what they came with."""

    name: str
    roles: list[str]
    scopes: list[Scope]


class NewPerson(Asked):
    """Somebody to make known."""

    name: Word
    roles: list[Word] = Field(max_length=100, examples=[["adjuster"]])


class Roles(Asked):
    """The roles that somebody is to have, instead of those they have."""

    roles: list[Word] = Field(max_length=100, examples=[["adjuster", "viewer"]])


class TokenShape(Told):
    """A token, without its secret."""

    id: str
    person: str
    label: str
    scopes: list[Scope]
    created_at: Time
    expires_at: Time | None
    used_at: Time | None = Field(description="To the minute; null: never.")


class TokensShape(Told):
    """Tokens, by id."""

    tokens: list[TokenShape]


class NewToken(Asked):
    """A token to be made."""

    person: Word
    scopes: list[Scope] = Field(min_length=1, max_length=10)
    label: Text = ""
    lasts: str | None = Field(None, pattern=r"^[0-9.]+(ms|s|m|h|d|w)", max_length=40, description="Such as `90d`.")


class Issued(TokenShape):
    """A token that was made, with its secret: it is told now and never again."""

    secret: str


class Link(Told):
    """A link with which somebody can log in, once."""

    url: str


class _Whose(Asked):
    person: Word | None = None


@router.get("/api/me", response_model=Me)
async def me(who: Known) -> Any:
    """Who asks."""
    return {"name": who.person.name, "roles": sorted(who.person.roles), "scopes": sorted(who.scopes)}


@router.get("/api/people", response_model=PeopleShape)
async def list_people(_: Admin, house: InHouse) -> Any:
    """Everybody."""
    return {"people": [person_json(person) for person in await house.people.list()]}


@router.post("/api/people", response_model=PersonShape, status_code=201)
async def add_person(who: Admin, house: InHouse, asked: NewPerson) -> Any:
    """Make somebody known."""
    return person_json(await house.people.add(asked.name, asked.roles, by=who.person.name))


@router.put("/api/people/{name}/roles", response_model=PersonShape)
async def set_roles(who: Admin, house: InHouse, name: Name, asked: Roles) -> Any:
    """Give somebody other roles. It counts from their next request on."""
    return person_json(await house.people.set_roles(name, asked.roles, by=who.person.name))


@router.delete("/api/people/{name}", response_model=Done)
async def remove_person(who: Admin, house: InHouse, name: Name) -> Any:
    """Forget somebody, with their tokens and sessions."""
    await house.people.remove(name, by=who.person.name)
    return {"done": True}


@router.post("/api/people/{name}/links", response_model=Link, status_code=201)
async def make_link(who: Admin, house: InHouse, name: Name) -> Any:
    """A link with which somebody can log in, once, within a quarter of an hour."""
    return {"url": link_url(house, await house.people.sessions.link(name, by=who.person.name))}


@router.get("/api/tokens", response_model=TokensShape)
async def list_tokens(_: Admin, house: InHouse, whose: Annotated[_Whose, Query()]) -> Any:
    """Tokens."""
    return {"tokens": [token_json(token) for token in await house.people.tokens.list(whose.person)]}


@router.post("/api/tokens", response_model=Issued, status_code=201)
async def issue_token(who: Admin, house: InHouse, asked: NewToken) -> Any:
    """Make a token."""
    lasts = None if asked.lasts is None else micros(asked.lasts)
    if lasts is not None and lasts > _LONGEST:
        raise BadOption(f"{asked.lasts} is longer than any token can last; leave it out for one that does not expire")
    secret, token = await house.people.tokens.issue(
        asked.person, asked.scopes, by=who.person.name, label=asked.label, lasts=lasts
    )
    return token_json(token) | {"secret": secret}


@router.delete("/api/tokens/{token_id}", response_model=TokenShape)
async def revoke_token(who: Admin, house: InHouse, token_id: Annotated[InPath, Path(max_length=64)]) -> Any:
    """Make a token worth nothing."""
    return token_json(await house.people.tokens.revoke(token_id, by=who.person.name))


def link_url(house: House, secret: str) -> str:
    """The address of a log-in link."""
    return f"{house.config.public_url.rstrip('/')}/login/{secret}"
