"""What needs a worker now, counted the same over every store: of agents with a quota, no more than may really go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from holdfast.records.worker import Demand, Hosted


class Needs(NamedTuple):
    """How many runs of a version there are that need a worker; of no agent: what else does."""

    agent: str
    version: str
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
_NOBODY = ""


def hosted_of(rows: Iterable[Sequence[Any]], hosts: Iterable[Hosted] | None) -> list[Needs]:
    """What a worker of these versions (None: of all) could do, in rows that tell of more."""
    found = [Needs(*row) for row in rows]
    if hosts is None:
        return found
    known = {(one.agent, one.version) for one in hosts}
    return [one for one in found if one.agent == _NOBODY or (one.agent, one.version) in known]


def demand_of(ready: Iterable[Needs], left: Mapping[str, Left]) -> Demand:
    """What there is to do, of all these versions together."""
    queued = due = orphaned = at_work = 0
    for one in _by_agent(ready):
        places, begins = left.get(one.agent, _ALL)
        to_begin = _at_most(one.to_begin, begins)
        woken = _at_most(one.due, places)
        due += woken
        queued += _at_most(one.to_go_on + to_begin, None if places is None else places - woken)
        orphaned += one.orphaned
        at_work += one.at_work
    return Demand(queued=queued, due=due, orphaned=orphaned, at_work=at_work)


def _by_agent(ready: Iterable[Needs]) -> Iterable[Needs]:
    """Quotas are of an agent, whatever its versions."""
    found: dict[str, Needs] = {}
    for one in ready:
        so_far = found.get(one.agent)
        if so_far is not None:
            one = Needs(one.agent, one.version, *map(sum, zip(so_far[2:], one[2:], strict=True)))
        found[one.agent] = one
    return found.values()


def _at_most(count: int, most: int | None) -> int:
    return count if most is None else max(0, min(count, most))
