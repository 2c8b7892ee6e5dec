"""Slots: where outcomes go. One that nobody awaits is held, and delivered after the drain in which somebody does."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable
from typing import Any

from holdfast.durable.fit import Fit
from holdfast.durable.recorded import Recorded
from holdfast.durable.scope import Scope
from holdfast.errors import DuplicateKey, HoldfastError
from holdfast.records.journal import Entry, Op

logger = logging.getLogger("holdfast.run")


Future = asyncio.Future[Any]


class Due:
    """Held deliveries that somebody awaits now, by ``seq``; each is a delivery of its own."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, seq: int, deliver: Callable[[], None]) -> None:
        """Make a delivery due; those of one ``seq`` stay in the order in which they were added."""
        self._count += 1
        heapq.heappush(self._heap, (seq, self._count, deliver))

    def deliver_next(self) -> None:
        """Make the first delivery."""
        heapq.heappop(self._heap)[2]()


class Slot:
    """Where the outcome of one key goes: to whoever awaits it."""

    __slots__ = ("decode", "entry", "fingerprint", "guarded", "key", "op", "scope", "shared", "waiters")

    def __init__(
        self, scope: Scope, key: str, decode: Callable[[Entry], Any], fingerprint: bytes, shared: bool
    ) -> None:
        self.scope = scope
        self.key = key
        self.decode = decode
        self.fingerprint = fingerprint
        self.guarded = False
        self.op: Op | None = None  # what is called, if it is a call
        self.shared = shared  # promises and started children can be awaited many times, also later
        self.waiters: list[tuple[Scope, Future]] = []  # a branch may await a promise that the body made
        self.entry: Entry | None = None


class Slots:
    """The slots of a run.

    Args:
        run_id: of the run.
        recorded: is told which keys the code has used.
        fit: judges whether a recorded outcome fits its call.
        due: takes held outcomes once they are awaited.
        delivered: told of each key whose outcome has reached its slot: it must not go live.
        touch: told of each scope that may have something to run.
    """

    def __init__(
        self,
        run_id: str,
        recorded: Recorded,
        fit: Fit,
        due: Due,
        delivered: Callable[[str], object],
        touch: Callable[[Scope], None],
    ) -> None:
        self._run_id = run_id
        self._recorded = recorded
        self._fit = fit
        self._due = due
        self._delivered = delivered
        self._touch = touch
        self._slots: dict[str, Slot] = {}
        self._held: dict[str, Entry] = {}
        self._awaited: dict[str, Entry] = {}  # held before, and due now

    @property
    def held_promises(self) -> list[Entry]:
        """Promises that were resolved, and whose value nobody has been given."""
        pending = (*self._held.values(), *self._awaited.values())
        return [entry for entry in pending if entry.op is Op.PROMISE]

    def open(
        self, scope: Scope, key: str, decode: Callable[[Entry], Any], *, fingerprint: bytes = b"", shared: bool = False
    ) -> Slot:
        """The place where the outcome of a key goes.

        Raises:
            DuplicateKey: the code has used the key before in this run.
        """
        if not self._recorded.claim(key):
            raise DuplicateKey(f"run {self._run_id}: two calls have the key {key!r}: give each its own .using(key=…)")
        slot = self._slots[key] = Slot(scope, key, decode, fingerprint, shared)
        return slot

    def find(self, key: str) -> Slot | None:
        """The slot that the code has opened for a key, unless its outcome was delivered to the only one who waits."""
        return self._slots.get(key)

    def drop(self, key: str) -> None:
        """Nobody waits for the outcome of a key any more."""
        self._slots.pop(key, None)

    def wait(self, scope: Scope, slot: Slot) -> Future:
        """A future for the outcome of a slot, on the scope's loop; to be awaited there at once, and nowhere else."""
        future = scope.loop.own_future()
        entry = slot.entry
        if entry is not None:  # delivered before; also to a branch that has finished, and does not run again on replay
            self._due.add(entry.seq, lambda: self._settle(slot, scope, future, entry))
            return future
        slot.waiters.append((scope, future))
        held = self._held.pop(slot.key, None) if self._held else None
        if held is not None:
            self._awaited[slot.key] = held
            self._due.add(held.seq, lambda: self._hand_over(slot, held))
        return future

    def deliver(self, entry: Entry) -> None:
        """Hand an outcome to whoever awaits it, or hold it until somebody does."""
        slot = self._slots.get(entry.key)
        if slot is not None and slot.waiters:
            self._hand_over(slot, entry)
        elif slot is None and self._recorded.claimed(entry.key):
            logger.debug("run %s: nobody waits for %s any more", self._run_id, entry.key)
        else:
            self._held[entry.key] = entry

    def _hand_over(self, slot: Slot, entry: Entry) -> None:
        self._awaited.pop(slot.key, None)
        if not self._fit.accepts(slot.scope, slot.fingerprint, entry, guarded=slot.guarded, op=slot.op):
            return
        self._delivered(slot.key)
        waiters, slot.waiters = slot.waiters, []
        if slot.shared:
            slot.entry = entry
        else:
            del self._slots[slot.key]
        for scope, future in waiters:
            self._settle(slot, scope, future, entry)

    def _settle(self, slot: Slot, scope: Scope, future: Future, entry: Entry) -> None:
        if future.done():
            return
        try:
            value = slot.decode(entry)
        except HoldfastError as error:
            self._fit.block(entry, f"a value of another type ({error})")
            return
        scope.move_clock(entry.at)
        if isinstance(value, Exception):
            future.set_exception(value)
        else:
            future.set_result(value)
        self._touch(scope)
