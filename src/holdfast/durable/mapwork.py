"""How the items of a map are set to work, and stopped: as steps, as children, or as branches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from holdfast import codec
from holdfast.durable import asks
from holdfast.durable.asks import ItemRef
from holdfast.durable.calls import Call, Target
from holdfast.durable.requests import child_ask, effect_ask
from holdfast.durable.scope import Scope
from holdfast.errors import NotStorable

if TYPE_CHECKING:  # the core is given; only its type is needed
    from holdfast.durable.core import Core

logger = logging.getLogger("holdfast.run")

Mode = Literal["step", "child", "branch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MapOptions:
    """How a map runs; the arguments of ``ctx.map``."""

    key: Callable[[Any], str]
    concurrency: int
    checkpoint_every: int
    collect: bool


class Place(NamedTuple):
    """An item, and where its outcome will be."""

    ref: ItemRef
    key: str
    item: Any


@dataclass(slots=True, eq=False)
class Unit:
    """What is started together: one item, or a chunk of them."""

    key: str
    waiting: int  # items whose outcome is not delivered yet
    branch: Scope | None = None


class MapWork:
    """The work of one map.

    Args:
        core: of the run.
        scope: in which the map was made.
        key: of the map.
        mode: what its items are.
        target: what is called for each item.
        options: of the map.
        streaming: whether its results are iterated over.
    """

    def __init__(
        self, core: Core, scope: Scope, key: str, mode: Mode, target: Target, options: MapOptions, *, streaming: bool
    ) -> None:
        self.returns = codec.hints_of(target.fn).returns
        self.closed = False
        self._core = core
        self._scope = scope
        self._key = key
        self._hash = codec.hash64(key)
        self._mode = mode
        self._target = target
        self._options = options
        self._streaming = streaming
        group = core.history.groups.get(self._hash)
        self._group_complete = group is not None and group.total is not None

    def open(self) -> None:
        """Before the first item."""
        if self._mode == "child" and self._hash not in self._core.history.groups:
            self._core.ask(self._key, self._group(None))

    def begin(self, unit: Unit, places: Sequence[Place]) -> None:
        """Set the items of a unit to work that are not recorded."""
        if self._mode == "child":
            self._begin_child(places[0])
        elif self._mode == "branch":
            self._begin_branch(unit, places[0])
        else:
            self._begin_steps(unit, places)

    def complete(self, total: int) -> None:
        """There are no more items than these."""
        if self._mode == "child" and not self._group_complete and not self.closed:
            self._group_complete = True
            self._core.ask(f"~group:{self._key}", self._group(total))

    def stop(self, running: Iterable[Unit]) -> None:
        """Nobody waits for the rest."""
        if self._mode == "child":
            cancel = f"~cancel:{self._key}"
            if cancel not in self._core.recorded.intents:
                self._core.ask(cancel, asks.CancelGroup(key=self._key, map=self._hash, branch=self._scope.branch))
            return
        for unit in running:
            if unit.branch is not None and unit.branch.main is not None:
                unit.branch.move_clock(self._scope.loop.now)  # else a timer of its clean-up would count from the past
                unit.branch.main.cancel()
                self._core.touch(unit.branch)
            elif not self._core.withdraw(unit.key):
                self._core.ask(f"~abandon:{unit.key}", asks.Abandon(key=unit.key))

    def _begin_steps(self, unit: Unit, places: Sequence[Place]) -> None:
        effects = [
            effect_ask(self._core.recorded, Call(self._target, (place.item,), {}), place.key, self._scope, place.ref)
            for place in places
        ]
        if self._options.checkpoint_every == 1:
            self._core.ask(unit.key, effects[0])
        else:
            self._core.ask(unit.key, asks.Chunk(key=unit.key, effects=effects, concurrency=self._options.concurrency))

    def _begin_child(self, place: Place) -> None:
        if self._group_complete:  # all of them were started before
            return
        self._core.check_cancelling(place.key)
        call = Call[Any](self._target, (place.item,), {})
        limit = self._options.concurrency
        self._core.ask(place.key, child_ask(call, place.key, self._scope, item=place.ref, limit=limit))

    def _begin_branch(self, unit: Unit, place: Place) -> None:
        scope = unit.branch = Scope(self._core, place.key, now=self._scope.loop.now)
        main = self._core.begin(scope, lambda _: self._target.fn(place.item))
        main.add_done_callback(lambda _: self._branch_ended(scope, place))

    def _branch_ended(self, scope: Scope, place: Place) -> None:
        if self._core.retired:
            return
        # What tasks it leaves behind end with it, as they do under asyncio.run: on replay they would not be there,
        # since a finished branch is not run again.
        self._core.later(lambda: self._end_tasks(scope))
        if self.closed:
            return
        self._core.scope_ended(scope)
        ok, value = self._outcome_of(scope)
        self._core.ask(place.key, asks.BranchEnded(item=place.ref, ok=ok, value=value))

    def _end_tasks(self, scope: Scope) -> None:
        if not scope.loop.retire():
            logger.warning("run %s: tasks of branch %s swallow every cancel", self._core.run_id, scope.path)

    def _outcome_of(self, scope: Scope) -> tuple[bool, bytes]:
        assert scope.main is not None, "called when it is done"
        if scope.main.cancelled():
            return False, codec.pack_failure("CancelledError", "the branch was cancelled")
        error = scope.main.exception()
        if error is None:
            try:
                value = codec.shape_of(self.returns).settle(scope.main.result())[0]
                return True, codec.pack(self._core.place.portable(value))
            except NotStorable as problem:
                error = problem
        return False, codec.failure_of(error).pack()

    def _group(self, total: int | None) -> asks.SetGroup:
        return asks.SetGroup(
            key=self._key,
            branch=self._scope.branch,
            map=self._hash,
            limit=self._options.concurrency,
            every=self._streaming,
            first_failure=not self._options.collect,
            total=total,
        )
