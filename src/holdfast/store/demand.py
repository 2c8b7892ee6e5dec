"""What needs a worker now, counted the same over every store: of agents with a quota, no more than may really go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from holdfast.records.worker import Demand


class Needs(NamedTuple):
    """How many runs of an agent there are that need a worker."""

    agent: str
    to_begin: int  # queued, and never claimed before
    to_go_on: int  # queued, and claimed before
    due: int
    orphaned: int
    at_work: int


class Left(NamedTuple):
    """What is left of an agent's quota; None: as many as there are."""

    places: int | None  # runs that may be claimed
    begins: int | None  # of these, runs that may be claimed for the first time


_ALL = Left(places=None, begins=None)


def demand_of(ready: Iterable[Needs], left: Mapping[str, Left]) -> Demand:
    """What there is to do, of all these agents together."""
    queued = due = orphaned = at_work = 0
    for one in ready:
        places, begins = left.get(one.agent, _ALL)
        to_begin = _at_most(one.to_begin, begins)
        woken = _at_most(one.due, places)
        due += woken
        queued += _at_most(one.to_go_on + to_begin, None if places is None else places - woken)
        orphaned += one.orphaned
        at_work += one.at_work
    return Demand(queued=queued, due=due, orphaned=orphaned, at_work=at_work)


def _at_most(count: int, most: int | None) -> int:
    return count if most is None else max(0, min(count, most))
