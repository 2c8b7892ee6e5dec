"""Turns: whose run comes next. By priority; then fairly between agents; within an agent by how long they are ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Ready(NamedTuple):
    """A run that may be claimed. Those of one agent sort by whose turn it is."""

    priority: int  # negated: the higher goes first
    ready_at: int
    rid: int
    begins: int  # 1 if it was never claimed
    agent: str
    build: str


def in_turn(found: Mapping[str, list[Ready]], limit: int, held: Callable[[], Mapping[str, int]]) -> list[Ready]:
    """All that was found, those first whose turn it is.

    Args:
        found: by agent; of agents that are served alike, the first one's turn comes first.
        limit: how many are wanted: if there are no more, nobody has to stand back.
        held: tells how many of each agent the worker has already.
    """
    everyone = [sorted(ready) for ready in found.values()]
    if len(everyone) == 1 or sum(map(len, everyone)) <= limit:
        return sorted(one for ready in everyone for one in ready)
    has = held()
    turns = [
        ((one.priority, has.get(one.agent, 0) + nth, place), one)
        for place, ready in enumerate(everyone)
        for nth, one in enumerate(ready)
    ]
    return [one for _, one in sorted(turns)]
