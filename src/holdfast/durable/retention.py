"""Retention: runs that have ended are kept for so long, or so many of them; then whole trees of them are deleted."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.clock import SECOND, Clock, Duration, micros
from holdfast.errors import BadOption, StoreError
from holdfast.records.repair import RetentionRule
from holdfast.records.run import ENDED, Status
from holdfast.store.base import Store

logger = logging.getLogger("holdfast.retention")

_BATCH = 50  # trees that one transaction deletes
_ALL = 2**31
_SWEEP, _SWEEP_AGE = 200, 24 * 3600 * SECOND  # pieces of files at a time, once nobody has used them for a day
_EVER = 2**60  # microseconds; times of stores are 64-bit numbers


@dataclass(frozen=True, kw_only=True)
class Retention:
    """For how long runs are kept after their end, and how many of them.

    Args:
        age: a run goes when it ended longer ago than this; None: never for its age.
        count: of each agent and status the newest so many stay; None: as many as there are.
        agent: whose runs; every agent's by default.
        status: which ends are meant; ``"succeeded"``, ``"failed"``, ``"cancelled"`` or several; all by default.

    Raises:
        BadOption: neither age nor count is given, or one makes no sense.

    Example:
        >>> keep = [Retention(age="30d"), Retention(agent="adjust", status="succeeded", count=10_000)]
    """

    age: Duration | None = None
    count: int | None = None
    agent: str | None = None
    status: str | Iterable[str] = tuple(sorted(ENDED))

    def __post_init__(self) -> None:
        if self.age is None and self.count is None:
            raise BadOption("Retention() keeps everything: give it an age, a count, or both")
        if self.count is not None and self.count < 0:
            raise BadOption(f"Retention(count={self.count}): 0 or more runs can stay")
        self.rule()

    def rule(self) -> RetentionRule:
        """As the store takes it."""
        words = (self.status,) if isinstance(self.status, str) else tuple(self.status)
        if wrong := [word for word in words if word not in ENDED]:
            raise BadOption(f"Retention(status={wrong[0]!r}): runs end as {', '.join(sorted(ENDED))}")
        return RetentionRule(
            agent=self.agent,
            statuses=tuple(Status(word) for word in words),
            age=None if self.age is None else min(micros(self.age), _EVER),
            count=self.count,
        )


async def outlived(store: Store, rules: Sequence[Retention], clock: Clock) -> list[str]:
    """Ids of the runs without a parent that the rules no longer keep."""
    now = clock.now()
    found = [await store.outlived(retention.rule(), now=now, limit=_ALL) for retention in rules]
    return list(dict.fromkeys(itertools.chain.from_iterable(found)))


async def prune(store: Store, rules: Sequence[Retention], clock: Clock) -> int:
    """Delete what the rules no longer keep, a few trees per transaction; returns how many runs went.

    Raises:
        StoreError: the store does not answer; what was deleted before stays deleted.
    """
    gone = 0
    for rule in [retention.rule() for retention in rules]:
        while outlived := await store.outlived(rule, now=clock.now(), limit=_BATCH):
            deleted = await store.delete(outlived)
            if not deleted:  # each of them has come to life again since
                break
            gone += deleted
    while await store.sweep_contents(age=_SWEEP_AGE, limit=_SWEEP) == _SWEEP:
        pass
    return gone


class Pruner:
    """Applies an app's rules every now and then. Several workers may: each deletes what the others have left."""

    def __init__(self, store: Store, rules: Sequence[Retention], clock: Clock, every: float) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._every = every

    async def run(self) -> None:
        """Until cancelled."""
        while self._rules:
            try:
                gone = await prune(self._store, self._rules, self._clock)
                logger.log(logging.INFO if gone else logging.DEBUG, "%d runs deleted: their time was over", gone)
            except StoreError as error:
                logger.warning("old runs could not be deleted (%s); trying again in %.0f s", error, self._every)
            await asyncio.sleep(self._every)
