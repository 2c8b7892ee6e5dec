"""What is durable: read between two lives of a process, by opening the store and closing it again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from holdfast.codec import hash64
from holdfast.records.journal import Entry, Kind
from holdfast.records.run import Run
from holdfast.runtime import open_store
from holdfast.store.base import RunFilter, Store

T = TypeVar("T")
_CHILD = "0123456789abcdef"  # ids of children end in so many digits, those of generations in fewer


def ask(url: str, question: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store, ask it something, close it: nothing stays open in the process that forks."""

    async def asking() -> T:
        store = await open_store(url)
        try:
            return await question(store)
        finally:
            await store.close()

    return asyncio.run(asking())


def runs(url: str) -> list[Run]:
    """All runs, newest first."""

    async def question(store: Store) -> list[Run]:
        return await store.find(RunFilter(limit=1_000_000))

    return ask(url, question)


def run_of(url: str, run_id: str) -> Run:
    """A run's record."""
    found = ask(url, lambda store: store.get(run_id))
    assert found is not None, f"run {run_id} is lost"
    return found


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of one run."""

    run: Run
    entries: dict[int, Entry]  # by seq; of the present generation
    items: frozenset[int]  # hashes of the keys of finished map items

    def has(self, generation: int, key: str) -> bool:
        """Whether the outcome of a step is recorded, and it must never begin again."""
        if generation != self.run.generation:
            return generation < self.run.generation
        return self.run.status.ended or hash64(key) in self.items or any(
            entry.key == key and entry.kind is Kind.OUTCOME for entry in self.entries.values()
        )  # fmt: skip


class Snapshot:
    """What is recorded of all runs at a moment at which nobody writes."""

    def __init__(self, recorded: dict[str, Recorded]) -> None:
        self.recorded = recorded

    @classmethod
    def take(cls, url: str) -> Snapshot:
        """Read everything."""
        return ask(url, cls._read)

    @classmethod
    async def _read(cls, store: Store) -> Snapshot:
        found = await store.find(RunFilter(limit=1_000_000))
        return cls({run.id: await _recorded(store, run) for run in found})

    def has(self, step: str) -> bool:
        """Whether the outcome of a step, by its idempotency key, is recorded: it must never begin again."""
        owner, _, key = step.partition("/")
        if owner in self.recorded:
            return self.recorded[owner].has(0, key)
        run_id, _, number = owner.rpartition(".")
        if run_id in self.recorded and len(number) < len(_CHILD):
            return self.recorded[run_id].has(int(number), key)
        return False  # a run that was not there yet

    def forgotten_by(self, later: Snapshot) -> list[str]:
        """What was recorded and is not, or is different, later on: journals only ever grow."""
        return [fault for id, before in self.recorded.items() for fault in _forgotten(before, later.recorded.get(id))]


async def _recorded(store: Store, run: Run) -> Recorded:
    history = await store.load(run.rid)
    entries = await store.journal(run.id, limit=1_000_000)
    items = frozenset(branch for index in history.maps.values() for branch in index.branches)
    return Recorded(run, {entry.seq: entry for entry in entries}, items)


def _forgotten(before: Recorded, after: Recorded | None) -> list[str]:
    if after is None:
        return [f"run {before.run.id} is lost"]
    if before.run.status.ended and after.run != before.run:
        return [f"run {before.run.id} had ended and was changed"]
    if before.run.generation != after.run.generation:
        return []
    changed = [entry.key for seq, entry in before.entries.items() if after.entries.get(seq) != entry]
    return [f"run {before.run.id}: {key} was recorded and is not" for key in changed] + [
        f"run {before.run.id}: items of a map were recorded and are not" for _ in before.items - after.items
    ]
