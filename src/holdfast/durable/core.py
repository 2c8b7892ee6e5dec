"""The core of an activation: entries in, asks out. It is pure: no I/O and no clock, so it replays exactly.

The body runs on its own loop. Outcomes are delivered to it one at a time, in the order of ``seq``, and it is drained
between deliveries; live and on replay alike. Asks are handed out (:meth:`Core.take`) only when nothing recorded is left
to deliver, so nothing goes live before the journal is exhausted.
"""

from __future__ import annotations

import contextvars
import json
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast import codec
from holdfast.durable import asks
from holdfast.durable.asks import Ask, Blocked
from holdfast.durable.calls import Call
from holdfast.durable.family import approval_id, child_id
from holdfast.durable.feed import Delivery, Feed
from holdfast.durable.fit import Fit
from holdfast.durable.inorder import keep_order
from holdfast.durable.loop import BodyFuture, BodyTask, BodyTimer
from holdfast.durable.recorded import Recorded
from holdfast.durable.requests import Requests
from holdfast.durable.scope import Scope
from holdfast.durable.slots import Due, Slots
from holdfast.durable.timers import Timers
from holdfast.durable.workspace.place import nowhere
from holdfast.errors import BadOption, CallRefused
from holdfast.records.journal import Entry, History, Item, ItemIndex, Kind, Op
from holdfast.records.run import Progress

if TYPE_CHECKING:  # maps are built on the core; the core only passes their items on
    from holdfast.durable.maprun import MapRun

keep_order()

logger = logging.getLogger("holdfast.run")

Loader = Callable[[int, Sequence[int]], list[bytes]]
"""Reads packed values of a map's items: ``(map, ords) -> values``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What a core needs to know of its run."""

    run_id: str
    root: str
    generation: int
    started_at: int
    digest: bytes  # of the arguments it was started with: every generation keeps it
    agent: str = ""  # this and the next are for log lines only
    version: str = ""
    again: bool = False  # an earlier activation may have come this far without recording anything
    seed: str | None = None  # a fork's: what chance and ids derive from, instead of its own id
    copied: int = 0  # a fork's: entries up to this number are its origin's
    activation: str = ""  # what no other activation has


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancelling:
    """Why a run is ending before its body has."""

    timed_out: bool
    reason: str
    at: int
    seq: int


class Core:
    """See the module.

    Args:
        identity: of the run.
        history: what its journal holds.
        body: makes the body's coroutine; called once, at once.
        body_name: the qualified name of the body's function: what is defined inside it is part of it.
        loader: reads values of map items that the history only names.

    Attributes:
        over: whether nothing more is delivered: the body has ended, goes on as another, or does not fit its journal.
    """

    def __init__(
        self,
        identity: Identity,
        history: History,
        body: Callable[[Scope], Coroutine[Any, Any, Any]],
        body_name: str,
        loader: Loader,
    ) -> None:
        self.identity = identity
        self.run_id = identity.run_id
        self.generation = identity.generation
        self.seed = identity.seed or f"{identity.run_id}/{identity.generation}"
        self.started_at = identity.started_at
        self.body_name = body_name
        self.loader = loader
        self.history = history
        self.now = identity.started_at  # the time of the last delivered entry
        self.recorded = Recorded(history.entries)
        self.over = False
        self.fit = Fit(identity.run_id, self.recorded, self._end, copied=identity.copied)
        self.due = Due()
        self.slots = Slots(identity.run_id, self.recorded, self.fit, self.due, self.withdraw, self.touch)
        self.requests = Requests(self)
        self.place = nowhere(identity.run_id)  # of its workspace; an activation gives it a real one
        self.timers = Timers()
        self.cancelling: Cancelling | None = None
        self.continuing: Call[Any] | None = None
        self.retired = False
        self.replaying = identity.again or bool(history.entries or history.maps)  # until the journal is exhausted
        self.progress: Progress | None = None  # what the body last said
        self.maps: dict[int, MapRun] = {}
        self._feed = Feed(history.entries)
        self._held_timers: dict[str, Entry] = {}  # fired before the code set them
        self._asks: dict[str, Ask] = {}
        self._dirty: dict[Scope, None] = {}  # in the order in which they became so
        self._later: deque[Callable[[], None]] = deque()
        self.root = Scope(self, "", now=identity.started_at)
        # An empty context: variables that are set in the worker's process are no part of what the body observes.
        contextvars.Context().run(self.begin, self.root, body).add_done_callback(self._end)

    # -- for the activation

    @property
    def finished(self) -> bool:
        """Whether the body has returned or raised."""
        return self.root.main is not None and self.root.main.done()

    @property
    def blocked(self) -> Blocked | None:
        """Why the run cannot go on, if it cannot."""
        return self.fit.blocked

    def push(self, committed: Sequence[Delivery]) -> None:
        """Add committed entries and items, to be delivered by :meth:`advance`."""
        self._feed.push(committed)

    def advance(self, budget: int) -> bool:
        """Deliver and drain until there is nothing to deliver; False if the budget of callbacks ran out before."""
        while budget > 0 and not self.over:  # a delivery costs as much as a callback
            if self._dirty or self._later:
                budget = self._drain(budget)
            elif self.due:
                budget -= 1
                self.due.deliver_next()
            elif (delivery := self._feed.pop()) is not None:
                budget -= 1
                self._deliver(delivery)
            else:
                return True
        return self.over

    def take(self) -> list[Ask]:
        """What the body has asked for and the journal does not have; only after :meth:`advance` returned True."""
        self.replaying = False
        if not self._asks:
            return []
        taken, self._asks = list(self._asks.values()), {}
        for ask in taken:
            if isinstance(ask, asks.Approval) or (isinstance(ask, (asks.Effect, asks.Child)) and ask.call.guarded):
                self.fit.check_live(ask.scope, ask)
        return [] if self.blocked else taken

    def undelivered(self) -> tuple[list[Entry], Cancelling | None]:
        """What the body goes on without having observed: promises, which its next generation is given, and a cancel."""
        promises = self.slots.held_promises
        cancel = None
        while (left := self._feed.pop()) is not None:
            if isinstance(left, Entry) and left.kind is Kind.CANCEL:
                cancel = _cancelling(left)
            elif isinstance(left, Entry) and left.op is Op.PROMISE:
                promises.append(left)
        return promises, cancel

    def end_check(self) -> None:
        """After a normal end: block over guarded calls that the code no longer makes; report forgotten calls."""
        self.scope_ended(self.root)

    def retire(self) -> bool:
        """Leave memory: cancel the body's tasks and ignore what they do. False if some refuse to end."""
        self.retired = True
        loops = [self.root.loop, *(loop for run in self.maps.values() for loop in run.loops())]
        return min([loop.retire() for loop in loops])  # every one of them, also after one that refuses

    def dismantle(self) -> None:
        """Take apart what has retired: its parts know each other, and would all wait for the garbage collector."""
        del self.root.loop.owner
        del self.root, self.slots, self.requests, self.fit, self.loader

    # -- for calls, promises and maps

    def begin(self, scope: Scope, body: Callable[[Scope], Coroutine[Any, Any, Any]]) -> BodyTask:
        """Start a scope's main task."""
        scope.main = scope.loop.create_task(body(scope))
        self.touch(scope)
        return scope.main

    def touch(self, scope: Scope) -> None:
        """The scope's loop may have something to run."""
        self._dirty[scope] = None

    def later(self, action: Callable[[], None]) -> None:
        """Do something between two drains: what concerns more than one loop."""
        self._later.append(action)

    def ask(self, key: str, ask: Ask) -> None:
        """Ask for something, under a key by which it can be withdrawn."""
        self._asks[key] = ask

    def withdraw(self, key: str) -> bool:
        """Take back an ask that has not been taken; False if it has."""
        return self._asks.pop(key, None) is not None

    def child_id(self, key: str) -> str:
        """The id of the child that is started under a key."""
        return child_id(self.identity.root, self.run_id, self.generation, key)

    def approval_id(self, key: str) -> str:
        """The id of what people are asked under a key: the recorded one, else one that no other activation gives."""
        intent = self.recorded.intents.get(key)
        return approval_id(self.identity.activation, key) if intent is None else codec.unpack(intent.note).decode()

    def check_cancelling(self, key: str) -> None:
        """Refuse what a run that is being cancelled may not begin.

        Raises:
            CallRefused: it is.
        """
        if self.cancelling is not None:
            why = self.cancelling.reason or "cancelled"
            raise CallRefused(
                key, "CallRefused", f"run {self.run_id} is ending ({why}): steps may clean up, nothing else may begin"
            )

    def until(self, scope: Scope, deadline: int) -> BodyFuture:
        """A future that an instant resolves."""
        future = scope.loop.create_future()
        if deadline <= scope.loop.now:
            future.set_result(None)
            return future
        timer = scope.loop.call_until(scope.next_key(f"~until:{deadline}"), deadline, _finish, future)
        future.add_done_callback(lambda done: timer.cancel() if done.cancelled() else None)
        return future

    def timer_set(self, timer: BodyTimer) -> None:
        """A timer was armed: it may have fired already, according to the journal."""
        fired = self._held_timers.pop(timer.key, None)
        if fired is not None:
            self.due.add(fired.seq, lambda: self._fire(timer.key, fired.at))

    def deliver_items(self, map_hash: int, index: ItemIndex, within: int | None) -> None:
        """A map has begun whose recorded items are to be delivered in their turn."""
        self._feed.add_index(map_hash, index, within)

    def continue_as(self, scope: Scope, call: Call[Any]) -> BodyFuture:
        """End this journal and begin a fresh one with the call."""
        if scope is not self.root:
            raise BadOption(f"run {self.run_id}: continue_as inside a branch of a map: only the body itself can go on")
        self.check_cancelling("continue_as")
        call.packed_arguments()  # what cannot be stored is said here, not after the body has gone
        call.spend("continued as")
        self.continuing = call
        self._end()
        return scope.loop.create_future()

    def changed(self, scope: Scope, name: str) -> bool:
        """See ``Context.changed``."""
        scope.waived |= {name, f"~approve:{name}"}
        key = scope.next_key(f"~changed:{name}")
        mark = self.recorded.marks.get(key)
        if mark is not None:
            return mark.value == b"1"
        answer = not any(self.recorded.has_unmade(scope.path, one) for one in (name, f"~approve:{name}"))
        self._asks[key] = asks.Mark(key=key, branch=scope.branch, value=b"1" if answer else b"0")
        return answer

    def scope_ended(self, scope: Scope) -> None:
        """A scope's main task has ended by itself."""
        if self.cancelling is None:
            self.fit.check_end(scope)
        for call in list(scope.left_over.values()):
            logger.error(
                "run %s: %r, made at %s:%d, was never awaited: nothing was done", self.run_id, call, *call.where
            )
        scope.left_over.clear()

    # -- inside

    def _end(self, *_: object) -> None:
        self.over = True

    def _drain(self, budget: int) -> int:
        dirty = self._dirty
        while dirty and budget > 0:
            scope = next(iter(dirty))
            budget = scope.loop.drain(budget)
            if scope.loop.idle:
                del dirty[scope]
        while self._later and not self._dirty:
            self._later.popleft()()
        return budget

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.at > self.now:
            self.now = delivery.at
        if isinstance(delivery, Item):
            if (run := self.maps.get(delivery.map)) is not None:
                run.scope.move_clock(delivery.at)
                run.accept(delivery)
        elif delivery.kind is Kind.FIRED:
            for key in json.loads(delivery.value):
                self._deliver_timer(key, delivery)
        elif delivery.kind is Kind.CANCEL:
            self._deliver_cancel(delivery)
        else:
            self.slots.deliver(delivery)

    def _deliver_timer(self, key: str, entry: Entry) -> None:
        if self.timers.knows(key):
            # each firing is a delivery of its own: the body is drained between two of them
            self.due.add(entry.seq, lambda: self._fire(key, entry.at))
        else:
            self._held_timers[key] = entry

    def _fire(self, key: str, at: int) -> None:
        timer = self.timers.take(key)
        if timer is not None:
            scope = timer._loop.owner  # type: ignore[attr-defined]  # a BodyTimer's loop is a BodyLoop
            scope.move_clock(at)
            timer.fire()
            self.touch(scope)

    def _deliver_cancel(self, entry: Entry) -> None:
        self.cancelling = _cancelling(entry)
        self.root.move_clock(entry.at)
        if self.root.main is not None:
            self.root.main.cancel()
        self.touch(self.root)


def _cancelling(entry: Entry) -> Cancelling:
    told = json.loads(entry.value)
    return Cancelling(timed_out=told["timed_out"], reason=told["reason"], at=entry.at, seq=entry.seq)


def _finish(future: BodyFuture) -> None:
    if not future.done():
        future.set_result(None)
