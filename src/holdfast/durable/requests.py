"""Requests: how calls enter the core, and leave it when nobody waits for them any more."""

from __future__ import annotations

import types
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from holdfast import codec
from holdfast.durable import asks
from holdfast.durable.asks import ItemRef
from holdfast.durable.calls import Call
from holdfast.durable.outcomes import decoder_of, failure
from holdfast.durable.recorded import Recorded
from holdfast.durable.scope import Scope
from holdfast.durable.slots import Slot
from holdfast.durable.workspace.place import Place
from holdfast.records.journal import Entry, Op

if TYPE_CHECKING:  # the core is made of this and other parts
    from holdfast.durable.core import Core


class Requests:
    """Calls of a run's body."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def awaited(self, scope: Scope, call: Call[Any]) -> Generator[Any, Any, Any]:
        """Ask for what a call calls, and wait for its outcome."""
        core = self._core
        if core.retired or scope.loop.retired:
            # Never done: the loop that retires cancels its task once more. To raise here would let a body that swallows
            # CancelledError in a loop spin for ever inside one callback.
            yield from scope.loop.own_future()
        ask, slot = self._open(scope, call, shared=False)
        future = core.slots.wait(scope, slot)
        try:
            return (yield from future)
        finally:
            if future.cancelled():
                self._abandon(scope, ask)

    def start_child(self, scope: Scope, call: Call[Any], *, detached: bool) -> str:
        """Ask for a child without awaiting it; returns the key under which its outcome will come."""
        return self._open(scope, call, shared=True, detached=detached)[0].key

    def cancel_child(self, scope: Scope, key: str) -> None:
        """Ask to cancel a child, once."""
        # Not withdrawn, though it may not have begun: whoever awaits its result has to be told that it was cancelled.
        if f"~cancel:{key}" not in self._core.recorded.intents:
            self._core.ask(f"~cancel:{key}", asks.CancelChild(key=key, branch=scope.branch))

    @types.coroutine
    def decided(self, scope: Scope, ask: asks.Approval) -> Generator[Any, Any, Entry]:
        """Ask people, and wait for the entry that tells what they decided.

        Raises:
            CallRefused: the run is being cancelled.
        """
        core = self._core
        if core.retired or scope.loop.retired:
            yield from scope.loop.own_future()  # as above
        asked = ask.key in core.recorded.intents
        if not asked:
            core.check_cancelling(ask.key)
        slot = core.slots.open(scope, ask.key, _decision, fingerprint=ask.fingerprint)
        slot.guarded, slot.op = True, Op.APPROVAL
        if asked:
            core.fit.check_intent(scope, ask)
        else:
            core.ask(ask.key, ask)
        future = core.slots.wait(scope, slot)
        try:
            decision: Entry = yield from future
        finally:
            if future.cancelled():
                self._withdraw(scope, ask)
        return decision

    def _withdraw(self, scope: Scope, ask: asks.Approval) -> None:
        core, mark = self._core, f"~withdraw:{ask.key}"
        core.slots.drop(ask.key)
        if core.retired or core.withdraw(ask.key) or mark in core.recorded.intents:
            return
        core.ask(mark, asks.Withdraw(key=ask.key, branch=scope.branch, id=ask.asked.id))

    def _open(
        self, scope: Scope, call: Call[Any], *, shared: bool, detached: bool = False
    ) -> tuple[asks.Effect | asks.Child, Slot]:
        core = self._core
        ask = self._ask_of(scope, call, call.place(scope), detached)
        slot = core.slots.open(scope, ask.key, decoder_of(call, core.place), fingerprint=ask.fingerprint, shared=shared)
        slot.guarded, slot.op = call.guarded, call.target.op
        begun = ask.key in core.recorded.intents
        if begun or ask.key in core.recorded.attempts:
            core.fit.check_intent(scope, ask)
        if not begun or call.target.op is not Op.CHILD:
            core.ask(ask.key, ask)
        return ask, slot

    def _ask_of(self, scope: Scope, call: Call[Any], key: str, detached: bool) -> asks.Effect | asks.Child:
        if call.target.op is not Op.CHILD:
            return effect_ask(self._core.recorded, call, key, scope)
        if key not in self._core.recorded.intents:
            self._core.check_cancelling(key)
        return child_ask(call, key, scope, detached=detached)

    def _abandon(self, scope: Scope, ask: asks.Effect | asks.Child) -> None:
        core = self._core
        core.slots.drop(ask.key)
        if core.retired:
            return
        if core.withdraw(ask.key):
            return
        if isinstance(ask, asks.Child):
            self.cancel_child(scope, ask.key)
        else:
            core.ask(f"~abandon:{ask.key}", asks.Abandon(key=ask.key))


def effect_ask(recorded: Recorded, call: Call[Any], key: str, scope: Scope, item: ItemRef | None = None) -> asks.Effect:
    """The ask for a step or tool; ``item`` if it stands for an item of a map."""
    fingerprint, note = _described(call, scope.core.place)
    branch = scope.branch if item is None else item.branch
    failures = recorded.attempts.get(key, ())
    return asks.Effect(key, scope, branch, call, fingerprint, note, failures, key in recorded.intents, item)


def child_ask(
    call: Call[Any], key: str, scope: Scope, *, detached: bool = False, item: ItemRef | None = None, limit: int = 0
) -> asks.Child:
    """The ask for a child; ``item`` and its group's ``limit`` if it stands for an item of a map."""
    arguments = call.packed_arguments()
    return asks.Child(
        key=key,
        scope=scope,
        branch=scope.branch if item is None else item.branch,
        call=call,
        arguments=arguments,
        fingerprint=codec.fingerprint(scope.core.place.shown(arguments) + call.target.name.encode()),
        detached=detached,
        item=item,
        limit=limit,
    )


def _decision(entry: Entry) -> Any:
    return entry if entry.ok else failure(Op.APPROVAL, entry.key, entry.value, (), entry.seq)


def _described(call: Call[Any], place: Place) -> tuple[bytes, bytes]:
    if call.target.op is Op.TOOL:
        whole = call.packed_arguments()
        return codec.fingerprint(place.shown(whole)), whole
    target, as_text = call.target, None if place.path is None else place.described
    fingerprint, preview = codec.describe_arguments(
        target.fn, call.args, call.kwargs, skip=target.injected, as_text=as_text
    )
    return fingerprint, preview.encode()
