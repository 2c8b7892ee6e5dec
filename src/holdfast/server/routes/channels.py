"""``/api/channels``: where people are told; ``/api/messages``: what could not be delivered, and trying it again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.postman import Postman
from holdfast.records.outbox import Message
from holdfast.server.access import Admin
from holdfast.server.house import InHouse
from holdfast.server.shapes import Asked, Done, InPath, Time, Told, problems
from holdfast.wire.values import iso

ChannelId = Annotated[InPath, Path(max_length=64, description="A channel's id.")]
router = APIRouter(tags=["channels"], responses=problems(404, 409))


class ChannelShape(Told):
    """A channel; its address without what may be secret in it."""

    id: str
    address: str
    to: list[str]
    min_risk: int
    events: list[str]
    digest: int
    quiet: dict[str, Any] | None
    urgent: int | None
    server: str
    details: bool
    disabled: str
    by: str
    made_at: Time


class NewChannelShape(ChannelShape):
    """A channel that was made, with what its webhooks are signed with: it is told now and never again."""

    secret: str


class Channels(Told):
    """Channels, by id."""

    channels: list[ChannelShape]


class Tested(Told):
    """What became of a message that says nothing."""

    ok: bool
    error: str = Field(description="Why it was not told; empty if it was.")


class Dead(Told):
    """A message that was given up."""

    number: int
    event: str
    about: str = Field(description="The approval that it is about.")
    channel: str
    at: Time
    tries: int
    error: str


class DeadPage(Told):
    """A page of them, by number."""

    messages: list[Dead]
    next: int | None = Field(description="`after` of the next page; null on the last.")


class _Page(Asked):
    after: int = Field(0, ge=0, lt=2**53)
    limit: int = Field(100, ge=1, le=1000)


@router.get("/api/channels", response_model=Channels)
async def list_channels(_: Admin, house: InHouse) -> Any:
    """Where people are told."""
    return {"channels": [_channel_json(one) for one in await house.channels.all()]}


@router.post("/api/channels", response_model=NewChannelShape, status_code=201)
async def add_channel(who: Admin, house: InHouse, asked: Channel) -> Any:
    """Add a channel. A webhook without a secret is given one."""
    made = await house.channels.add(asked.model_copy(update={"disabled": ""}), by=who.person.name)
    return _channel_json(made) | {"secret": made.secret.get_secret_value()}


@router.delete("/api/channels/{channel_id}", response_model=Done)
async def remove_channel(who: Admin, house: InHouse, channel_id: ChannelId) -> Any:
    """Remove a channel: it is told nothing any more."""
    await house.channels.remove(channel_id, by=who.person.name)
    return {"done": True}


@router.post("/api/channels/{channel_id}/test", response_model=Tested)
async def test_channel(who: Admin, house: InHouse, channel_id: ChannelId) -> Any:
    """Send a message that says nothing, from the server, once, and say what became of it: within a minute."""
    channel = await house.channels.get(channel_id)
    async with Postman(house.store, house.clock) as postman:
        answer = await postman.test(channel)
    await house.channels.tested(channel_id, answer.error, by=who.person.name)
    return {"ok": answer.ok, "error": answer.error}


@router.get("/api/messages/dead", response_model=DeadPage)
async def list_dead(_: Admin, house: InHouse, page: Annotated[_Page, Query()]) -> Any:
    """Messages that were given up."""
    found = await house.channels.dead(after=page.after, limit=page.limit)
    return {"messages": [_json(one) for one in found], "next": found[-1].n if len(found) == page.limit else None}


@router.post("/api/messages/dead/{number}/revive", response_model=Done)
async def revive(who: Admin, house: InHouse, number: Annotated[int, Path(ge=0, lt=2**53)]) -> Any:
    """Try a message again."""
    await house.channels.revive(number, by=who.person.name)
    return {"done": True}


def _json(one: Message) -> dict[str, Any]:
    return {
        "number": one.n, "event": one.event, "about": one.about, "channel": one.channel, "at": iso(one.at),
        "tries": one.tries, "error": one.error,
    }  # fmt: skip


def _channel_json(one: Channel) -> dict[str, Any]:
    shown = one.model_dump(mode="json", exclude={"url", "secret", "made_at"})
    return shown | {"address": one.address, "made_at": iso(one.made_at)}
