"""A map at work: pulls its items, takes their outcomes in the order of ``seq``, and gives the body what it awaits."""

from __future__ import annotations

import contextvars
import itertools
from array import array
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from holdfast import codec
from holdfast.durable import asks
from holdfast.durable.asks import ItemRef
from holdfast.durable.core import Core
from holdfast.durable.loop import BodyFuture, BodyLoop, BodyTask
from holdfast.durable.mapwork import MapWork, Place, Unit
from holdfast.durable.results import Results, Values
from holdfast.durable.scope import Scope, escape, is_storable_text
from holdfast.errors import BadOption, DuplicateKey
from holdfast.records.journal import Item, ItemIndex, Op

if TYPE_CHECKING:  # made by a Mapped, of which only the type is needed
    from holdfast.durable.map import Mapped


class MapRun:
    """A map at work, inside the core."""

    def __init__(self, mapped: Mapped[Any, Any], *, streaming: bool) -> None:
        self.scope = mapped.scope
        self.core: Core = mapped.scope.core
        self.key = mapped.key
        self.hash = codec.hash64(mapped.key)
        self.whole: BodyFuture = self.scope.loop.create_future()
        self._items = mapped.items
        self._options = mapped.options
        self._unbounded = mapped.mode == "child"  # its group lets only so many run at once
        self._streaming = streaming
        self._work = MapWork(
            self.core, self.scope, self.key, mapped.mode, mapped.target, mapped.options, streaming=streaming
        )
        self._units: dict[int, Unit] = {}  # by the ord of an item that is not delivered yet
        self._early: dict[int, Item] = {}  # delivered before they were pulled
        self._running: dict[Unit, None] = {}  # in the order in which they began: they are stopped in it too
        self._branches: set[int] = set()  # hashes of the keys seen, to refuse duplicates
        self._keys: dict[int, str] = {}  # of items that failed, or are not delivered yet
        self._objects: dict[int, Any] = {}  # items to be given back in a pair
        self._pairs: deque[tuple[int, bytes | None, bool]] = deque()
        self._waker: BodyFuture | None = None
        self._source: Iterator[Any] | None = None
        self._source_waker: BodyFuture | None = None
        self._puller: BodyTask | None = None
        self._pulled = 0
        self._exhausted = False
        self._recorded = _recorded_branches(self.core.history.maps.get(self.hash))
        op = Op.CHILD if mapped.mode == "child" else Op.STEP
        shape = codec.shape_of(self._work.returns)
        if op is not Op.CHILD:  # a child's paths are of its own workspace
            shape = self.core.place.localising(shape)
        self._values = Values(self.core.loader, self.hash, self.key, op, shape, self._keys)
        self._context = contextvars.copy_context()  # of whoever awaits the map: branches inherit it, as tasks do
        self.core.maps[self.hash] = self
        self.whole.add_done_callback(lambda done: self.close() if done.cancelled() else None)
        self._later(self._start)

    # -- for the core

    def scopes(self) -> Iterator[Scope]:
        """Scopes of branches that have not ended."""
        return (unit.branch for unit in self._running if unit.branch is not None)

    def loops(self) -> Iterator[BodyLoop]:
        """Their loops."""
        return (scope.loop for scope in self.scopes())

    def accept(self, item: Item) -> None:
        """An item's outcome is delivered."""
        if self._work.closed:
            return
        unit = self._units.pop(item.ord, None)
        if unit is None:  # recorded under a higher concurrency: its turn comes when it is pulled
            self._early[item.ord] = item
            return
        unit.waiting -= 1
        if not unit.waiting:
            self._running.pop(unit, None)
        if not item.ok and not self._options.collect:
            self._fail(self._values.failure_of(item.ord, item.value, item.seq))
            return
        if item.ok:
            self._keys.pop(item.ord, None)
        if self._streaming:
            self._pairs.append((item.ord, item.value, item.ok))
            self._wake()
        if not item.ok:
            self._values.failed.add(item.ord)
        self._later(self._pull)

    def close(self) -> None:
        """Nobody waits for the rest: stop it."""
        if self._work.closed:
            return
        self._work.closed = True
        if self.core.retired:
            return
        self.core.later(self._stop)

    # -- for the body

    async def next_pair(self) -> tuple[Any, Any] | None:
        """The next pair to finish; None after the last."""
        while not self._pairs:
            if self.whole.done():
                self.whole.result()  # raises what the map failed with
                return None
            self._waker = self.scope.loop.create_future()
            await self._waker
        ord_, value, _ = self._pairs.popleft()
        return self._objects.pop(ord_), self._values.get(ord_, value)

    # -- inside

    def _later(self, action: Callable[[], None]) -> None:
        """Do something between two drains, in the context in which the map is awaited."""
        self.core.later(lambda: self._context.run(action))

    def _stop(self) -> None:
        self._work.stop(self._running)
        if self._puller is not None and not self._puller.done():
            self._puller.cancel()
            self.core.touch(self.scope)

    def _start(self) -> None:
        try:
            self._open()
        except BaseException as error:
            self._fail(_raised(error))

    def _open(self) -> None:
        index = self.core.history.maps.get(self.hash)
        if index is not None:
            self.core.deliver_items(self.hash, index, self.scope.branch)
        self._work.open()
        if isinstance(self._items, AsyncIterable):
            self._puller = self.scope.loop.create_task(self._pull_async(self._items))
            self.core.touch(self.scope)
        else:
            with self.scope.loop.running():  # a generator may ask for the time, or for chance
                self._source = iter(self._items)
            self._pull()

    @property
    def _free(self) -> bool:
        if self._unbounded:
            return True
        return len(self._running) < max(1, self._options.concurrency // self._options.checkpoint_every)

    def _pull(self) -> None:
        if self._source is None:
            self._wake_source()
            self._finish_if_done()
            return
        try:
            while self._free and not self._exhausted and not self._work.closed:
                with self.scope.loop.running():
                    places = list(map(self._place, itertools.islice(self._source, self._options.checkpoint_every)))
                self._exhausted = len(places) < self._options.checkpoint_every
                if places:
                    self._begin_unit(places)
        except BaseException as error:  # the items themselves raised, or a key is bad: the map fails with it
            self._fail(_raised(error))
        self._finish_if_done()

    async def _pull_async(self, items: AsyncIterable[Any]) -> None:
        chunk: list[Any] = []
        try:
            async for item in items:
                chunk.append(item)
                if len(chunk) == self._options.checkpoint_every:
                    await self._begin_when_free(chunk)
                    chunk = []
            if chunk:
                await self._begin_when_free(chunk)
            self._exhausted = True
        except Exception as error:
            self._fail(error)
        self.core.later(self._finish_if_done)

    async def _begin_when_free(self, chunk: list[Any]) -> None:
        while not self._free:
            self._source_waker = self.scope.loop.create_future()
            await self._source_waker
        # a branch is begun between drains, not from inside the outer loop
        begun = self.scope.loop.create_future()
        self._later(lambda: self._begin_and_tell(chunk, begun))
        await begun

    def _begin_and_tell(self, chunk: list[Any], begun: BodyFuture) -> None:
        if begun.done() or self._work.closed:
            return
        try:
            with self.scope.loop.running():
                places = list(map(self._place, chunk))
            self._begin_unit(places)
        except BaseException as error:
            begun.set_exception(_raised(error))
        else:
            begun.set_result(None)
        self.core.touch(self.scope)

    def _wake_source(self) -> None:
        if self._source_waker is not None and not self._source_waker.done():
            self._source_waker.set_result(None)
            self.core.touch(self.scope)

    def _begin_unit(self, places: list[Place]) -> None:
        unit = Unit(places[0].key, len(places))
        self._running[unit] = None
        for place in places:
            self._units[place.ref.ord] = unit
            self._deliver_early(place.ref.ord)
        fresh = [place for place in places if not self._is_recorded(place.ref)]
        if fresh:
            self._work.begin(unit, fresh)

    def _deliver_early(self, ord_: int) -> None:
        item = self._early.pop(ord_, None)
        if item is not None:
            self.core.due.add(item.seq, lambda: self.accept(item))

    def _place(self, item: Any) -> Place:
        own = self._options.key(item)
        if not is_storable_text(own):
            raise BadOption(f"{self.key}: key={own!r} of item {self._pulled} is no text that UTF-8 can write")
        own = self.core.place.text(own)
        key = f"{self.key}/{escape(own)}"
        branch = codec.hash64(key)
        if branch in self._branches:
            raise DuplicateKey(f"{self.key}: two items have the key {own!r}: a key finds one item again after a crash")
        self._branches.add(branch)
        ref = ItemRef(self.hash, self._pulled, branch, self.scope.branch)
        self._keys[ref.ord] = own
        if self._streaming:
            self._objects[ref.ord] = item
        self._pulled += 1
        return Place(ref, key, item)

    def _is_recorded(self, ref: ItemRef) -> bool:
        recorded = self._recorded[ref.ord] if ref.ord < len(self._recorded) else 0
        if recorded not in (0, ref.branch):
            blocked = asks.Blocked(
                key=self.key,
                recorded=f"another key for item {ref.ord}",
                asked=f"key {self._keys[ref.ord]!r} there",
                advice="The items of a map must come in the same order with the same keys; then resume the run.",
            )
            self.core.fit.stop(blocked)
        return recorded == ref.branch

    def _check_length(self) -> None:
        group = self.core.history.groups.get(self.hash)
        recorded = max(len(self._recorded), (group.total or 0) if group is not None else 0)
        if recorded > self._pulled:
            blocked = asks.Blocked(key=self.key, recorded=f"{recorded} items", asked=f"{self._pulled} items")
            blocked.advice = "A map must be given all the items that it was given before; then resume the run."
            self.core.fit.stop(blocked)

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)
            self.core.touch(self.scope)

    def _fail(self, error: Exception) -> None:
        if not self.whole.done():
            self.whole.set_exception(error)
            if self._streaming:
                self.whole.exception()  # the iterator raises it; nobody awaits the future itself
            self.core.touch(self.scope)
        self._wake()
        self.close()

    def _finish_if_done(self) -> None:
        if self._exhausted and not self._work.closed:
            self._check_length()
            self._work.complete(self._pulled)
        if self._exhausted and not self._running and not self.whole.done():
            self.whole.set_result(Results(self._values, self._pulled))
            self._work.closed = True
            self._branches.clear()
            self.core.maps.pop(self.hash, None)
            self.core.touch(self.scope)
            self._wake()


def _raised(error: BaseException) -> Exception:
    """What the items or the key function raised, as an exception that a future can hold."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"the items of a map raised {type(error).__name__}: {error}")


def _recorded_branches(index: ItemIndex | None) -> array[int]:
    """The recorded branch hash of each item by its ord; 0 where there is none."""
    if index is None or not len(index.ords):
        return array("q")
    branches = array("q", bytes(8 * (max(index.ords) + 1)))
    for ord_, branch in zip(index.ords, index.branches, strict=True):
        branches[ord_] = branch
    return branches
