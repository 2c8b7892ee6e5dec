"""The core of an activation: entries in, asks out. It is pure: no I/O and no clock, so it replays exactly.

The body runs on its own loop. Outcomes are delivered to it one at a time, in the order of ``seq``, and it is drained
between deliveries; live and on replay alike. Asks are handed out (:meth:`Core.take`) only when nothing recorded is left
to deliver, so nothing goes live before the journal is exhausted.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast import codec
from holdfast.durable import asks
from holdfast.durable.asks import Ask, Blocked, ItemRef
from holdfast.durable.calls import Call
from holdfast.durable.family import child_id
from holdfast.durable.feed import Delivery, Feed
from holdfast.durable.loop import BodyFuture, BodyTimer
from holdfast.durable.outcomes import decoder_of
from holdfast.durable.recorded import Recorded, name_in
from holdfast.durable.scope import Scope
from holdfast.durable.timers import Timers
from holdfast.errors import CallRefused, DuplicateKey, HoldfastError
from holdfast.records.journal import Entry, History, Item, ItemIndex, Kind, Op
from holdfast.records.run import Progress

if TYPE_CHECKING:  # maps are built on the core; the core only passes their items on
    from holdfast.durable.map import MapRun

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancelling:
    """Why a run is ending before its body has."""

    timed_out: bool
    reason: str
    at: int


class Slot:
    """Where the outcome of one key goes: to whoever awaits it."""

    __slots__ = ("decode", "entry", "fingerprint", "futures", "key", "scope", "shared")

    def __init__(
        self, key: str, scope: Scope, decode: Callable[[Entry], Any], fingerprint: bytes, shared: bool
    ) -> None:
        self.key = key
        self.scope = scope
        self.decode = decode
        self.fingerprint = fingerprint
        self.shared = shared  # promises and started children can be awaited many times, also later
        self.futures: list[BodyFuture] = []
        self.entry: Entry | None = None


class Core:
    """See the module.

    Args:
        identity: of the run.
        history: what its journal holds.
        body: makes the body's coroutine; called once, at once.
        body_name: the qualified name of the body's function: what is defined inside it is part of it.
        loader: reads values of map items that the history only names.
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
        self.started_at = identity.started_at
        self.body_name = body_name
        self.loader = loader
        self.history = history
        self.now = identity.started_at  # the time of the last delivered entry
        self.recorded = Recorded(history.entries)
        self.timers = Timers()
        self.blocked: Blocked | None = None
        self.cancelling: Cancelling | None = None
        self.continuing: Call[Any] | None = None
        self.drifted: list[str] = []  # steps whose recorded arguments are not those of the code
        self.retired = False
        self.delivered = 0
        self.progress: Progress | None = None  # what the body last said
        self.maps: dict[int, MapRun] = {}
        self._feed = Feed(history.entries)
        self._slots: dict[str, Slot] = {}
        self._held: dict[str, Entry] = {}  # outcomes that nobody awaits yet
        self._held_timers: dict[str, int] = {}  # fired before the code set them: when
        self._due: list[tuple[int, int, Callable[[], None]]] = []  # held ones that are awaited now, by seq
        self._asks: dict[str, Ask] = {}
        self._dirty: dict[int, Scope] = {}
        self._later: deque[Callable[[], None]] = deque()
        self._due_count = 0
        self.root = Scope(self, "", now=identity.started_at)
        self.begin(self.root, body)

    # -- for the activation

    @property
    def finished(self) -> bool:
        """Whether the body has returned or raised."""
        return self.root.main is not None and self.root.main.done()

    @property
    def held_promises(self) -> list[Entry]:
        """Promises that were resolved and never awaited."""
        return [entry for entry in self._held.values() if entry.op is Op.PROMISE]

    def push(self, committed: Sequence[Delivery]) -> None:
        """Add committed entries and items, to be delivered by :meth:`advance`."""
        self._feed.push(committed)

    def advance(self, budget: int) -> bool:
        """Deliver and drain until there is nothing to deliver; False if the budget of callbacks ran out before."""
        while budget > 0 and not self._stopped:  # a delivery costs as much as a callback
            if not self._settled:
                budget = self._drain(budget)
            elif self._due:
                budget -= 1
                self.delivered += 1
                heapq.heappop(self._due)[2]()
            elif (delivery := self._feed.pop()) is not None:
                budget -= 1
                self.delivered += 1
                self._deliver(delivery)
            else:
                return True
        return self._stopped

    def take(self) -> list[Ask]:
        """What the body has asked for and the journal does not have; only after :meth:`advance` returned True."""
        taken, self._asks = list(self._asks.values()), {}
        for ask in taken:
            self._check_guard(ask)
        return [] if self.blocked else taken

    def end_check(self) -> None:
        """After a normal end: block over guarded calls that the code no longer makes; report forgotten calls."""
        self.scope_ended(self.root)

    def retire(self) -> bool:
        """Leave memory: cancel the body's tasks and ignore what they do. False if some refuse to end."""
        self.retired = True
        loops = [self.root.loop, *(loop for run in self.maps.values() for loop in run.loops())]
        return min([loop.retire() for loop in loops])  # every one of them, also after one that refuses

    # -- for calls, promises and maps

    def begin(self, scope: Scope, body: Callable[[Scope], Coroutine[Any, Any, Any]]) -> None:
        """Start a scope's main task."""
        scope.main = scope.loop.create_task(body(scope))
        self.touch(scope)

    def touch(self, scope: Scope) -> None:
        """The scope's loop may have something to run."""
        self._dirty[id(scope)] = scope

    def later(self, action: Callable[[], None]) -> None:
        """Do something between two drains: what concerns more than one loop."""
        self._later.append(action)

    def ask(self, key: str, ask: Ask) -> None:
        """Ask for something, under a key by which it can be withdrawn."""
        self._asks[key] = ask

    def withdraw(self, key: str) -> bool:
        """Take back an ask that has not been taken; False if it has."""
        return self._asks.pop(key, None) is not None

    def call(self, scope: Scope, call: Call[Any]) -> BodyFuture:
        """Await a call: the future gets its outcome."""
        if self.retired:
            raise asyncio.CancelledError(f"run {self.run_id} has left memory")
        key = call.place(scope)
        ask = self._ask_of(scope, call, key)
        slot = self.slot(scope, key, decoder_of(call), fingerprint=ask.fingerprint)
        self._check_intent(key, ask)
        if not (isinstance(ask, asks.Child) and key in self.recorded.intents):
            self._asks[key] = ask
        future = self.wait(scope, slot)
        future.add_done_callback(lambda done: self._abandon(key, ask) if done.cancelled() else None)
        return future

    def start_child(self, scope: Scope, call: Call[Any], *, detached: bool) -> str:
        """Ask for a child without awaiting it; returns the key under which its outcome will come."""
        key = call.place(scope)
        ask = self._ask_of(scope, call, key, detached=detached)
        self.slot(scope, key, decoder_of(call), fingerprint=ask.fingerprint, shared=True)
        self._check_intent(key, ask)
        if key not in self.recorded.intents:
            self._asks[key] = ask
        return key

    def child_id(self, key: str) -> str:
        """The id of the child that is started under a key."""
        return child_id(self.identity.root, self.run_id, self.generation, key)

    def cancel_child(self, scope: Scope, key: str) -> None:
        """Ask to cancel a child, once."""
        if not self.withdraw(key) and f"~cancel:{key}" not in self.recorded.intents:
            self._asks[f"~cancel:{key}"] = asks.CancelChild(key=key, branch=scope.branch)

    def slot(
        self, scope: Scope, key: str, decode: Callable[[Entry], Any], *, fingerprint: bytes = b"", shared: bool = False
    ) -> Slot:
        """Open the place where the outcome of a key goes.

        Raises:
            DuplicateKey: the code has used the key before in this run.
        """
        if not self.recorded.claim(key):
            raise DuplicateKey(f"run {self.run_id}: two calls have the key {key!r}: give each its own .using(key=…)")
        slot = self._slots[key] = Slot(key, scope, decode, fingerprint, shared)
        return slot

    def shared_slot(self, key: str) -> Slot | None:
        """The slot of a promise or started child that the code has opened before."""
        return self._slots.get(key)

    def wait(self, scope: Scope, slot: Slot) -> BodyFuture:
        """A future for the outcome of a slot; it comes at once if it was delivered before."""
        future = scope.loop.create_future()
        if slot.entry is not None:
            self._settle(slot, future, slot.entry)
            return future
        slot.futures.append(future)
        held = self._held.pop(slot.key, None)
        if held is not None:
            self._make_due(held.seq, lambda: self._hand_over(slot, held))
        return future

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
        if timer.key in self._held_timers:
            seq = self._held_timers.pop(timer.key)
            self._make_due(seq, lambda: self._fire(timer.key, timer.deadline))

    def deliver_items(self, map_hash: int, index: ItemIndex, within: int | None) -> None:
        """A map has begun whose recorded items are to be delivered in their turn."""
        self._feed.add_index(map_hash, index, within)

    def continue_as(self, scope: Scope, call: Call[Any]) -> BodyFuture:
        """End this journal and begin a fresh one with the call."""
        if scope is not self.root:
            raise HoldfastError(
                f"run {self.run_id}: continue_as inside a branch of a map: only the body itself can go on"
            )
        self.check_cancelling("continue_as")
        call.packed_arguments()  # what cannot be stored is said here, not after the body has gone
        call.spend("continued as")
        self.continuing = call
        return scope.loop.create_future()

    def changed(self, scope: Scope, name: str) -> bool:
        """See ``Context.changed``."""
        scope.waived.add(name)
        key = scope.next_key(f"~changed:{name}")
        mark = self.recorded.marks.get(key)
        if mark is not None:
            return mark.value == b"1"
        answer = not self.recorded.has_unmade(scope.path, name)
        self._asks[key] = asks.Mark(key=key, branch=scope.branch, value=b"1" if answer else b"0")
        return answer

    def scope_ended(self, scope: Scope) -> None:
        """A scope's main task has ended by itself."""
        if self.cancelling is None:
            unmade = self.recorded.unmade(scope.path, scope.waived)
            if unmade is not None:
                self.block(unmade, "its end, without that call")
        for call in list(scope.left_over.values()):
            logger.error(
                "run %s: %r, made at %s:%d, was never awaited: nothing was done", self.run_id, call, *call.where
            )
        scope.left_over.clear()

    def block(self, entry: Entry, asked: str, *, advice: str | None = None) -> None:
        """Stop: the code does not fit the journal."""
        if self.blocked is None:
            recorded = f"{entry.kind.name.lower()} {entry.seq} of {entry.op.name.lower()} {entry.key}"
            preview = codec.unpack(entry.note).decode("utf-8", "replace")[:200] if entry.note else ""
            self.blocked = Blocked(
                key=entry.key, recorded=f"{recorded} ({preview})" if preview else recorded, asked=asked
            )
            if advice:
                self.blocked.advice = advice

    # -- inside

    @property
    def _stopped(self) -> bool:
        return self.blocked is not None or self.continuing is not None or self.finished

    @property
    def _settled(self) -> bool:
        return not self._dirty and not self._later

    def _drain(self, budget: int) -> int:
        while self._dirty and budget > 0:
            number, scope = next(iter(self._dirty.items()))
            budget = scope.loop.drain(budget)
            if scope.loop.idle:
                del self._dirty[number]
        while self._later and not self._dirty:
            self._later.popleft()()
        return budget

    def _deliver(self, delivery: Delivery) -> None:
        self.now = max(self.now, delivery.at)
        if isinstance(delivery, Item):
            if (run := self.maps.get(delivery.map)) is not None:
                self._move_clock(run.scope, delivery.at)
                run.accept(delivery)
        elif delivery.kind is Kind.FIRED:
            for index, key in enumerate(json.loads(delivery.value)):
                self._deliver_timer(key, delivery, index)
        elif delivery.kind is Kind.CANCEL:
            self._deliver_cancel(delivery)
        else:
            self._deliver_outcome(delivery)

    def _deliver_outcome(self, entry: Entry) -> None:
        slot = self._slots.get(entry.key)
        if slot is not None and slot.futures:
            self._hand_over(slot, entry)
        elif slot is None and self.recorded.claimed(entry.key):
            logger.debug("run %s: nobody waits for %s any more", self.run_id, entry.key)
        else:
            self._held[entry.key] = entry

    def _hand_over(self, slot: Slot, entry: Entry) -> None:
        if (
            slot.fingerprint
            and entry.fingerprint
            and slot.fingerprint != entry.fingerprint
            and self._differs(slot, entry)
        ):
            return
        self._asks.pop(slot.key, None)  # it is recorded: it must not go live
        self._move_clock(slot.scope, entry.at)
        futures, slot.futures = slot.futures, []
        if slot.shared:
            slot.entry = entry
        else:
            del self._slots[slot.key]
        for future in futures:
            self._settle(slot, future, entry)

    def _settle(self, slot: Slot, future: BodyFuture, entry: Entry) -> None:
        if future.done():
            return
        try:
            value = slot.decode(entry)
        except HoldfastError as error:
            self.block(entry, f"a value of another type ({error})")
            return
        if isinstance(value, Exception):
            future.set_exception(value)
        else:
            future.set_result(value)
        self.touch(slot.scope)

    def _deliver_timer(self, key: str, entry: Entry, index: int) -> None:
        if self.timers.knows(key):
            # each firing is a delivery of its own: the body is drained between two of them
            self._make_due(entry.seq, lambda: self._fire(key, entry.at))
        else:
            self._held_timers[key] = entry.seq

    def _fire(self, key: str, at: int) -> None:
        timer = self.timers.take(key)
        if timer is not None:
            scope = timer._loop.owner  # type: ignore[attr-defined]  # a BodyTimer's loop is a BodyLoop
            self._move_clock(scope, at)
            timer.fire()
            self.touch(scope)

    def _deliver_cancel(self, entry: Entry) -> None:
        told = json.loads(entry.value)
        self.cancelling = Cancelling(timed_out=told["timed_out"], reason=told["reason"], at=entry.at)
        self._move_clock(self.root, entry.at)
        if self.root.main is not None:
            self.root.main.cancel()
        self.touch(self.root)

    def _make_due(self, seq: int, deliver: Callable[[], None]) -> None:
        self._due_count += 1
        heapq.heappush(self._due, (seq, self._due_count, deliver))

    @staticmethod
    def _move_clock(scope: Scope, at: int) -> None:
        scope.loop.now = max(scope.loop.now, at)

    def _ask_of(self, scope: Scope, call: Call[Any], key: str, *, detached: bool = False) -> asks.Effect | asks.Child:
        if call.target.op is Op.CHILD:
            if key not in self.recorded.intents:
                self.check_cancelling(key)
            return child_ask(call, key, scope.branch, detached=detached)
        return effect_ask(self, call, key, scope.branch)

    def _check_intent(self, key: str, ask: asks.Effect | asks.Child) -> None:
        intent = self.recorded.intents.get(key)
        if (
            intent is not None
            and intent.fingerprint != ask.fingerprint
            and name_in(key) not in self._scope_of(key).waived
        ):
            self.block(intent, f"{ask.call!r}")

    def _scope_of(self, key: str) -> Scope:
        return self._slots[key].scope

    def _differs(self, slot: Slot, entry: Entry) -> bool:
        """The recorded arguments are not those of the call. True if the run cannot go on."""
        if name_in(slot.key) in slot.scope.waived:
            return False
        other = self.recorded.elsewhere(slot.key, slot.fingerprint)
        if other is not None:
            self.block(entry, f"the arguments that are recorded under {other.key}: calls were reordered")
        elif entry.guarded:
            self.block(entry, "other arguments")
        else:
            self.drifted.append(f"{slot.key} was recorded with other arguments")
            logger.warning(
                "run %s: %s was recorded with other arguments (%s); the recorded outcome stands",
                self.run_id,
                slot.key,
                codec.unpack(entry.note).decode("utf-8", "replace") if entry.note else "unknown",
                extra={"holdfast": {"run": self.run_id, "step": slot.key, "drift": True}},
            )
        return self.blocked is not None

    def _abandon(self, key: str, ask: asks.Effect | asks.Child) -> None:
        self._slots.pop(key, None)
        if self.retired:
            return
        if isinstance(ask, asks.Child):
            self.later(lambda: self.cancel_child(self.root if ask.branch is None else self._branch(ask.branch), key))
        elif not self.withdraw(key):
            self._asks[f"~abandon:{key}"] = asks.Abandon(key=key)

    def _branch(self, branch: int) -> Scope:
        return next(
            (scope for run in self.maps.values() for scope in run.scopes() if scope.branch == branch), self.root
        )

    def _check_guard(self, ask: Ask) -> None:
        guarded = isinstance(ask, asks.Child) or (isinstance(ask, asks.Effect) and ask.call.guarded)
        if not guarded or self.blocked:
            return
        scope = self.root if ask.branch is None or ask.item is not None else self._branch(ask.branch)  # type: ignore[union-attr]
        unmade = self.recorded.unmade(scope.path, scope.waived)
        if unmade is not None:
            self.block(unmade, f"{ask.call!r} at {ask.key}")  # type: ignore[union-attr]


def effect_ask(core: Core, call: Call[Any], key: str, branch: int | None, item: ItemRef | None = None) -> asks.Effect:
    """The ask for a step or tool."""
    if call.target.op is Op.TOOL:
        note = call.packed_arguments()
        fingerprint = codec.fingerprint(note)
    else:
        fingerprint, preview = codec.describe_arguments(
            call.target.fn, call.args, call.kwargs, skip=call.target.injected
        )
        note = preview.encode()
    return asks.Effect(
        key=key,
        branch=branch,
        call=call,
        fingerprint=fingerprint,
        note=note,
        item=item,
        failures=core.recorded.attempts.get(key, ()),
        begun=key in core.recorded.intents,
    )


def child_ask(
    call: Call[Any],
    key: str,
    branch: int | None,
    *,
    detached: bool = False,
    item: ItemRef | None = None,
    limit: int = 0,
) -> asks.Child:
    """The ask for a child."""
    arguments = call.packed_arguments()
    return asks.Child(
        key=key,
        branch=branch,
        call=call,
        arguments=arguments,
        fingerprint=codec.fingerprint(arguments + call.target.name.encode()),
        detached=detached,
        item=item,
        limit=limit,
    )


def _finish(future: BodyFuture) -> None:
    if not future.done():
        future.set_result(None)
