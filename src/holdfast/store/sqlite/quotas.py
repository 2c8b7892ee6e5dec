"""Quotas: how much of an agent all workers of the file together may do. Writers take turns, so counts hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apsw

from holdfast.records.worker import Hosted, Quota
from holdfast.store.demand import Left
from holdfast.store.sqlite.statements import QUOTAS
from holdfast.store.sqlite.transaction import Transaction

_ANY = 2**31  # places, where there is no limit


class Room:
    """What is left of the agents' quotas; asked once, then counted down."""

    def __init__(self, db: apsw.Connection, quotas: Mapping[str, Quota], now: int) -> None:
        self._db = db
        self._quotas = quotas
        self._now = now
        self._places: dict[str, int] = {}
        self._begins: dict[str, int] = {}

    def limits(self, agent: str) -> bool:
        """Whether the agent has a quota at all."""
        return agent in self._quotas

    def places(self, agent: str) -> int:
        """How many more runs of it may be in memory."""
        if agent not in self._places:
            most = self._quotas[agent].limit
            at_work = 0 if most is None else self._db.execute(QUOTAS.at_work, {"agent": agent, "most": most}).get
            self._places[agent] = _ANY if most is None else most - at_work
        return self._places[agent]

    def begins(self, agent: str) -> int:
        """How many more runs of it may begin now."""
        if agent not in self._begins:
            quota = self._quotas[agent]
            begun = self._db.execute(QUOTAS.begun, _window(agent, quota, self._now)).get if quota.starts else 0
            self._begins[agent] = quota.starts - begun if quota.starts else _ANY
        return self._begins[agent]

    def take(self, agent: str, *, begins: bool) -> bool:
        """Count a run, if there is room for it."""
        if not self.limits(agent):
            return True
        if self.places(agent) <= 0 or (begins and self.begins(agent) <= 0):
            return False
        self._places[agent] -= 1
        self._begins[agent] = self.begins(agent) - begins
        return True

    def left(self, agents: Sequence[str]) -> dict[str, Left]:
        """What is left of these agents' quotas."""
        return {agent: Left(places=self.places(agent), begins=self.begins(agent)) for agent in agents}

    def any_ready(self, hosted: Hosted) -> bool:
        """Whether a run of this version is ready for which there is room."""
        which = (hosted.agent, hosted.version)
        if self.places(hosted.agent) <= 0:
            return False
        if self._db.execute(QUOTAS.any_to_go_on, which).get:
            return True
        return self.begins(hosted.agent) > 0 and bool(self._db.execute(QUOTAS.any_to_begin, which).get)


def note(tx: Transaction, quotas: Mapping[str, Quota], agents: Sequence[str], now: int) -> None:
    """Remember that runs of these agents begin, of those whose rate is limited."""
    begin = [agent for agent in agents if agent in quotas and quotas[agent].starts]
    for agent in sorted(set(begin)):
        tx.run(QUOTAS.forget_begun, {"agent": agent, "now": now, "period": quotas[agent].period})
    tx.each(QUOTAS.note_begin, [(agent, now) for agent in begin])


def next_begin(db: apsw.Connection, hosted: Hosted, quota: Quota, now: int) -> int | None:
    """When a run of this version may begin that its rate holds back now; None if none is held back by it."""
    if not quota.starts or not db.execute(QUOTAS.any_to_begin, (hosted.agent, hosted.version)).get:
        return None
    oldest = db.execute(QUOTAS.oldest_begun, _window(hosted.agent, quota, now) | {"starts": quota.starts}).get
    return None if oldest is None else int(oldest) + quota.period


def _window(agent: str, quota: Quota, now: int) -> dict[str, str | int]:
    return {"agent": agent, "now": now, "period": quota.period}
