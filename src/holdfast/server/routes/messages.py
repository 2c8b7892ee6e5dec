"""``/api/messages``: what could not be delivered to channels, and trying it again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from holdfast.errors import NotFound
from holdfast.records.outbox import Message
from holdfast.server.access import Admin
from holdfast.server.house import InHouse
from holdfast.server.shapes import Asked, Done, Time, Told, problems
from holdfast.wire.values import iso

router = APIRouter(prefix="/api/messages", tags=["messages"], responses=problems(404))


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


@router.get("/dead", response_model=DeadPage)
async def list_dead(_: Admin, house: InHouse, page: Annotated[_Page, Query()]) -> Any:
    """Messages that were given up."""
    found = await house.store.dead_messages(after=page.after, limit=page.limit)
    return {"messages": [_json(one) for one in found], "next": found[-1].n if len(found) == page.limit else None}


@router.post("/dead/{number}/revive", response_model=Done)
async def revive(_: Admin, house: InHouse, number: Annotated[int, Path(ge=0, lt=2**53)]) -> Any:
    """Try a message again."""
    if not await house.store.revive_message(number, now=house.clock.now()):
        raise NotFound(f"no message {number} was given up: GET /api/messages/dead lists those that were")
    return {"done": True}


def _json(one: Message) -> dict[str, Any]:
    return {
        "number": one.n, "event": one.event, "about": one.about, "channel": one.channel, "at": iso(one.at),
        "tries": one.tries, "error": one.error,
    }  # fmt: skip
