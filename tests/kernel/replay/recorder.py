"""A log of all that is written to a store, so that it can be done again up to any place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast import codec
from holdfast.clock import VirtualClock
from holdfast.records.delta import Delta, Verdict
from holdfast.records.journal import Kind, News
from holdfast.records.run import NewRun, Run
from holdfast.records.worker import Hosted
from holdfast.store.base import Claimed, Store

# -- what is logged


@dataclass(frozen=True)
class Start:
    """Runs were started."""

    new: tuple[NewRun, ...]
    now: int


@dataclass(frozen=True)
class Claim:
    """Runs were claimed."""

    hosts: tuple[Hosted, ...]
    builds: tuple[str, ...]
    limit: int
    now: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Commit:
    """A delta was applied."""

    run_id: str
    generation: int
    delta: Delta
    verdict: Verdict
    news: tuple[News, ...]  # what the store held for the run before
    now: int

    @property
    def numbered(self) -> int:
        """How many entries and items it holds."""
        return len(self.delta.entries) + len(self.delta.items)


@dataclass(frozen=True)
class Told:
    """Somebody outside resolved a promise or cancelled a run."""

    how: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    now: int


Op = Start | Claim | Commit | Told


Name = tuple[str, int]
"""An effect: what its idempotency key begins with, and the hash of its key in the run (all that items tell of it)."""


class Tally:
    """What is recorded of effects."""

    def __init__(self, log: Iterable[Op] = ()) -> None:
        self.outcomes: set[Name] = set()
        self.attempts: Counter[Name] = Counter()  # failed ones
        self.deltas: Counter[str] = Counter()  # by run
        for op in log:
            self.add(op)

    def add(self, op: Op) -> None:
        """Count one more operation."""
        if not isinstance(op, Commit):
            return
        self.deltas[op.run_id] += 1
        prefix = prefix_of(op.run_id, op.generation)
        self.outcomes.update((prefix, item.branch) for item in op.delta.items)
        for entry in op.delta.entries:
            if entry.kind is Kind.OUTCOME:
                self.outcomes.add((prefix, codec.hash64(entry.key)))
            elif entry.kind is Kind.ATTEMPT:
                self.attempts[prefix, codec.hash64(entry.key)] += 1


def prefix_of(run_id: str, generation: int) -> str:
    """What the idempotency keys of a run's effects begin with."""
    return f"{run_id}.{generation}" if generation else run_id


class Recorder:
    """A store that keeps a log of what is written to it."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self.log: list[Op] = []
        self.tally = Tally()
        self.runs: dict[str, str] = {}  # by what their idempotency keys begin with
        self.on_change: Callable[[], None] = lambda: None
        self._store = store
        self._clock = clock
        self._claimed: dict[int, Run] = {}
        self._lock = asyncio.Lock()  # so that the log has the store's order

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def start(self, new: Sequence[NewRun]) -> Any:
        async with self._lock:
            started = await self._store.start(new)
            self._note(Start(tuple(new), self._clock.now()))
        return started

    async def claim(
        self, worker_id: str, hosts: Sequence[Hosted], builds: Sequence[str], *, limit: int, now: int, **how: Any
    ) -> list[Claimed]:
        async with self._lock:
            claimed = await self._store.claim(worker_id, hosts, builds, limit=limit, now=now, **how)
            for one in claimed:
                self._claimed[one.run.rid] = one.run
                self.runs[prefix_of(one.run.id, one.run.generation)] = one.run.id
            if claimed:
                self.log.append(Claim(tuple(hosts), tuple(builds), limit, now, tuple(one.run.id for one in claimed)))
        return claimed

    async def commit(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict]:
        await asyncio.sleep(0)  # effects that were cut off before this was asked for notice it before it counts
        async with self._lock:
            news = [() if one.seen is None else tuple(await self._store.news(one.rid, after=0)) for one in deltas]
            verdicts = await self._store.commit(worker_id, number, deltas)
            for delta, verdict, known in zip(deltas, verdicts, news, strict=True):
                if verdict is not Verdict.REFUSED:
                    self._note_delta(delta, verdict, known)
        return verdicts

    def commit_now(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> None:
        """Never at once: what is not written by :meth:`commit` would not be in the log."""

    async def resolve(self, *args: Any, **options: Any) -> bool:
        return await self._tell("resolve", args, options)

    async def cancel(self, *args: Any, **options: Any) -> bool:
        return await self._tell("cancel", args, options)

    async def _tell(self, how: str, args: tuple[Any, ...], options: dict[str, Any]) -> bool:
        async with self._lock:
            done: bool = await getattr(self._store, how)(*args, **options)
            self._note(Told(how, args, options, self._clock.now()))
        return done

    def _note_delta(self, delta: Delta, verdict: Verdict, news: tuple[News, ...]) -> None:
        run = self._claimed[delta.rid]
        self._note(Commit(run.id, run.generation, delta, verdict, news, self._clock.now()))

    def _note(self, op: Op) -> None:
        self.log.append(op)
        self.tally.add(op)
        self.on_change()
