"""``/api/doctor``: what is wrong with the store and the server's machine, or soon will be, and what to do about it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from holdfast.durable.checkup import examine, worst
from holdfast.errors import StoreBusy
from holdfast.records.health import Severity
from holdfast.records.worker import Hosted
from holdfast.server.access import Operator
from holdfast.server.house import InHouse
from holdfast.server.shapes import Asked, Told, Word, problems
from holdfast.wire.house import finding_json

router = APIRouter(tags=["health"], responses=problems())


class FindingShape(Told):
    """One thing that was looked at."""

    severity: Severity
    about: str
    what: str
    do: str = Field(description="What to do about it: a command for the server's machine, where there is one.")


class Findings(Told):
    """What was found, good and bad, in the order in which it was looked for."""

    store: str
    worst: Severity
    findings: list[FindingShape]


class _Mine(Asked):
    hosted: list[Annotated[Word, Field(pattern=r"^.+@.+$")]] = Field(
        [], max_length=500, description="What the caller's app defines: `agent@version`.", examples=[["claims@2"]]
    )
    place: Word = Field("MODULE:APP", description="Where that app is, for commands.")


@router.get("/api/doctor", response_model=Findings)
async def doctor(_: Operator, house: InHouse, mine: Annotated[_Mine, Query()]) -> Any:
    """Look at the store, its workers, its runs and the server's machine, for half a minute at the most. One look at a
    time: 503 while another is at it.
    """
    if house.look is not None and not house.look.done():
        raise StoreBusy("somebody is having the store looked at: ask again in some seconds")
    hosted = [
        Hosted(agent=agent, version=version) for agent, _, version in (one.rpartition("@") for one in mine.hosted)
    ]
    looking = asyncio.to_thread(examine, house.store.health(), clock=house.clock, hosted=hosted, place=mine.place)
    house.look = asyncio.create_task(looking)  # whoever asked may be gone before it ends: it is one look all the same
    found = await asyncio.shield(house.look)
    return {"store": house.store.url, "worst": worst(found), "findings": [finding_json(one) for one in found]}
