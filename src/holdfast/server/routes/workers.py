"""``/api/agents``, ``/api/workers``, ``/api/demand``, ``/api/retention``: the house as a whole."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from holdfast.records.repair import RetentionRule
from holdfast.records.run import ENDED, Status
from holdfast.server.access import Operator, Reader
from holdfast.server.house import InHouse
from holdfast.server.shapes import Asked, Told, Word, problems
from holdfast.wire.house import demand_json, worker_json
from holdfast.wire.runs import population_json

router = APIRouter(tags=["workers"], responses=problems())


class Version(Told):
    """A version of an agent."""

    agent: str
    version: str


class Agents(Told):
    """Agents: which versions live workers host, and how many runs there are of each version and status."""

    hosted: list[Version]
    runs: list[dict[str, Any]]


class Workers(Told):
    """Workers that are alive."""

    workers: list[dict[str, Any]]


class Demand(Told):
    """How many runs need a worker now."""

    queued: int
    due: int
    orphaned: int
    at_work: int
    total: int


class Outlived(Told):
    """Ids of runs that a rule no longer keeps, the longest ended first."""

    runs: list[str]


class _Whose(Asked):
    agent: list[Word] | None = Field(None, max_length=200, description="Only runs of these.")


class _Rule(Asked):
    agent: Word | None = None
    status: list[Status] = Field([], max_length=20, description="Ended so; by default in any way.")
    age: int | None = Field(None, ge=0, lt=2**61, description="Microseconds since their end after which they go.")
    count: int | None = Field(None, ge=0, lt=2**31, description="How many of each agent and status stay.")
    limit: int = Field(1000, ge=1, le=10_000)


@router.get("/api/agents", response_model=Agents)
async def list_agents(_: Reader, house: InHouse) -> Any:
    """Agents. Reads every run's row: for now and then."""
    hosted = {one for worker in await house.store.workers() for one in worker.hosts}
    return {
        "hosted": [{"agent": one.agent, "version": one.version} for one in sorted(hosted)],
        "runs": [population_json(one) for one in await house.store.population()],
    }


@router.get("/api/workers", response_model=Workers)
async def list_workers(_: Reader, house: InHouse) -> Any:
    """Workers that are alive, and what they host."""
    return {"workers": [worker_json(one) for one in await house.store.workers()]}


@router.get("/api/demand", response_model=Demand)
async def get_demand(_: Reader, house: InHouse, whose: Annotated[_Whose, Query()]) -> Any:
    """How many runs need a worker now: a scaler's source."""
    return demand_json(await house.client.demand(whose.agent))


@router.get("/api/retention", response_model=Outlived)
async def list_outlived(_: Operator, house: InHouse, rule: Annotated[_Rule, Query()]) -> Any:
    """Runs without a parent that a rule no longer keeps. They are deleted one by one."""
    which = RetentionRule(
        agent=rule.agent, statuses=tuple(rule.status) or tuple(sorted(ENDED)), age=rule.age, count=rule.count
    )
    return {"runs": await house.store.outlived(which, now=house.clock.now(), limit=rule.limit)}
