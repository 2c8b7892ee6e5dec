"""``ctx.map``: many items, one row each, a checkpoint per item or per chunk.

An item of a plain function or a tool is a step, one of an agent a child run, and one of a function that belongs to the
body (defined inside it, or holding its context) a *branch*: a piece of body on a loop of its own, so that a branch
that has finished need not run again for the others to replay. Whatever it is, its outcome is an item's row, delivered
in the order of ``seq`` like any entry; so a map replays exactly, also while it streams.
"""

from __future__ import annotations

import functools
import inspect
from array import array
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from holdfast import codec
from holdfast.durable import asks
from holdfast.durable.asks import ItemRef
from holdfast.durable.calls import Call, Target, name_of
from holdfast.durable.catalog import Agent, Tool
from holdfast.durable.core import Core, child_ask, effect_ask
from holdfast.durable.loop import BodyFuture, BodyLoop
from holdfast.durable.mapped import Results, Values
from holdfast.durable.scope import InBody, Scope, current_scope, escape
from holdfast.errors import BadOption, CallReused, DuplicateKey, NotStorable
from holdfast.records.journal import Item, Op

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

Mode = Literal["step", "child", "branch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MapOptions:
    """How a map runs; the arguments of ``ctx.map``."""

    key: Callable[[Any], str]
    concurrency: int
    checkpoint_every: int
    collect: bool


class Mapped(Generic[T, R_co]):
    """A map that is about to run: await it, or iterate over it; once.

    Awaited, it gives a lazy sequence in input order. Iterated (``async for item, result in …``), it gives pairs as they
    finish, each after it is durable.
    """

    def __init__(
        self, fn: Callable[..., Any], items: Iterable[T] | AsyncIterable[T], options: MapOptions, scope: Scope
    ) -> None:
        self.fn = fn
        self.items = items
        self.options = options
        self.scope = scope
        self.mode = _mode_of(fn, scope)
        self._spent = False
        name = fn.name if isinstance(fn, Agent | Tool) else name_of(fn)
        if not name:
            raise BadOption(f"ctx.map({fn!r}, …): a lambda has no name to find its items by: write a def")
        self.key = scope.next_key(f"map:{name}")
        self._check()

    def __await__(self) -> Generator[Any, Any, Sequence[R_co]]:
        run = self._begin(streaming=False)
        results: Sequence[R_co] = yield from run.whole.__await__()
        return results

    async def __aiter__(self) -> AsyncIterator[tuple[T, R_co]]:
        run = self._begin(streaming=True)
        try:
            while (pair := await run.next_pair()) is not None:
                yield pair
        finally:
            run.close()

    def _begin(self, *, streaming: bool) -> MapRun:
        if self._spent:
            raise CallReused(f"{self.key} was used already: a map is awaited or iterated over once")
        if current_scope(f"{self.key} was awaited") is not self.scope:
            raise BadOption(f"{self.key} was made in one branch and awaited in another: await it where it was made")
        self._spent = True
        return MapRun(self, streaming=streaming)

    def _check(self) -> None:
        options = self.options
        if options.concurrency < 1 or options.checkpoint_every < 1:
            raise BadOption(f"{self.key}: concurrency and checkpoint_every are 1 or more")
        plain = self.mode == "step" and not isinstance(self.fn, Tool)
        if options.checkpoint_every > 1 and not plain:
            raise BadOption(
                f"{self.key}: checkpoint_every above 1 takes a plain function, not a tool, an agent or a branch"
            )


@dataclass(slots=True, eq=False)
class _Unit:
    """What is started together: one item, or a chunk of them."""

    key: str
    waiting: int
    branch: Scope | None = None


class MapRun:
    """A map at work, inside the core."""

    def __init__(self, mapped: Mapped[Any, Any], *, streaming: bool) -> None:
        self.scope = mapped.scope
        self.core: Core = mapped.scope.core
        self.key = mapped.key
        self.hash = codec.hash64(mapped.key)
        self.whole: BodyFuture = self.scope.loop.create_future()
        self._mapped, self._options, self._mode = mapped, mapped.options, mapped.mode
        self._streaming = streaming
        self._target = _target_of(mapped)
        self._returns = codec.hints_of(self._target.fn).returns
        self._units: dict[int, _Unit] = {}  # by the ord of an item that is not delivered yet
        self._running: set[_Unit] = set()
        self._branches: set[int] = set()  # hashes of the keys seen, to refuse duplicates
        self._keys: dict[int, str] = {}  # of items that failed, or are not delivered yet
        self._objects: dict[int, Any] = {}  # items to be given back in a pair
        self._pairs: deque[tuple[int, bytes | None, bool]] = deque()
        self._waker: BodyFuture | None = None
        self._source: Iterator[Any] | None = None
        self._source_waker: BodyFuture | None = None
        self._pulled = 0
        self._exhausted = False
        self._closed = False
        self._recorded = _recorded_branches(self.core.history.maps.get(self.hash))
        group = self.core.history.groups.get(self.hash)
        self._group_complete = group is not None and group.total is not None
        self._values = Values(self.core.loader, self.hash, codec.shape_of(self._returns), mapped, self._keys)
        self.core.maps[self.hash] = self
        self.whole.add_done_callback(lambda done: self.close() if done.cancelled() else None)
        self.core.later(self._start)

    # -- for the core

    def scopes(self) -> Iterator[Scope]:
        """Scopes of branches that have not ended."""
        return (unit.branch for unit in self._running if unit.branch is not None)

    def loops(self) -> Iterator[BodyLoop]:
        """Their loops."""
        return (scope.loop for scope in self.scopes())

    def accept(self, item: Item) -> None:
        """An item's outcome is delivered."""
        unit = self._units.pop(item.ord, None)
        if self._closed or unit is None:
            return
        unit.waiting -= 1
        if not unit.waiting:
            self._running.discard(unit)
        if not item.ok and not self._options.collect:
            self._fail(self._values.failure_of(item.ord, item.value))
            return
        if item.ok:
            self._keys.pop(item.ord, None)
        if self._streaming:
            self._pairs.append((item.ord, item.value, item.ok))
            self._wake()
        if not item.ok:
            self._values.failed.add(item.ord)
        self.core.later(self._pull)

    def close(self) -> None:
        """Nobody waits for the rest: stop it."""
        if self._closed:
            return
        self._closed = True
        if self.core.retired:
            return
        self.core.later(self._stop_running)

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

    def _start(self) -> None:
        index = self.core.history.maps.get(self.hash)
        if index is not None:
            self.core.deliver_items(self.hash, index, self.scope.branch)
        if self._mode == "child" and self.hash not in self.core.history.groups:
            self.core.ask(self.key, self._group(None))
        if isinstance(self._mapped.items, AsyncIterable):
            self.scope.loop.create_task(self._pull_async(self._mapped.items))
            self.core.touch(self.scope)
        else:
            self._source = iter(self._mapped.items)
            self._pull()

    @property
    def _free(self) -> bool:
        if self._mode == "child":  # the group lets only so many run at once
            return True
        size = self._options.checkpoint_every
        return len(self._running) < -(-self._options.concurrency // size)

    def _pull(self) -> None:
        if self._source is None:
            self._wake_source()
            self._finish_if_done()
            return
        try:
            while self._free and not self._exhausted and not self._closed:
                chunk = [item for _, item in zip(range(self._options.checkpoint_every), self._source, strict=False)]
                self._exhausted = len(chunk) < self._options.checkpoint_every
                if chunk:
                    self._begin_unit(chunk)
        except Exception as error:  # the items themselves raised, or a key is bad: the map fails with it
            self._fail(error)
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
        self.core.later(lambda: self._begin_and_tell(chunk, begun))
        await begun

    def _begin_and_tell(self, chunk: list[Any], begun: BodyFuture) -> None:
        if begun.done():
            return
        try:
            self._begin_unit(chunk)
        except Exception as error:
            begun.set_exception(error)
        else:
            begun.set_result(None)
        self.core.touch(self.scope)

    def _wake_source(self) -> None:
        if self._source_waker is not None and not self._source_waker.done():
            self._source_waker.set_result(None)
            self.core.touch(self.scope)

    def _begin_unit(self, chunk: list[Any]) -> None:
        places = [self._place(item) for item in chunk]
        unit = _Unit(key=places[0][1], waiting=len(chunk))
        self._running.add(unit)
        for ref, _, _ in places:
            self._units[ref.ord] = unit
        fresh = [place for place in places if not self._is_recorded(place[0])]
        if not fresh:
            return
        if self._mode == "child":
            self._begin_child(fresh[0])
        elif self._mode == "branch":
            self._begin_branch(unit, fresh[0])
        else:
            self._begin_steps(unit, fresh)

    def _place(self, item: Any) -> tuple[ItemRef, str, Any]:
        own = self._options.key(item)
        if not isinstance(own, str):
            raise BadOption(f"{self.key}: key={own!r} of item {self._pulled} is no text: let key= return a str")
        key = f"{self.key}/{escape(own)}"
        branch = codec.hash64(key)
        if branch in self._branches:
            raise DuplicateKey(f"{self.key}: two items have the key {own!r}: a key finds one item again after a crash")
        self._branches.add(branch)
        ref = ItemRef(map=self.hash, ord=self._pulled, branch=branch, within=self.scope.branch)
        self._keys[ref.ord] = own
        if self._streaming:
            self._objects[ref.ord] = item
        self._pulled += 1
        return ref, key, item

    def _is_recorded(self, ref: ItemRef) -> bool:
        recorded = self._recorded[ref.ord] if ref.ord < len(self._recorded) else 0
        if recorded not in (0, ref.branch):
            self.core.blocked = asks.Blocked(
                key=self.key,
                recorded=f"another key for item {ref.ord}",
                asked=f"key {self._keys[ref.ord]!r} there",
                advice="The items of a map must come in the same order with the same keys; then resume the run.",
            )
        return recorded == ref.branch

    def _begin_steps(self, unit: _Unit, places: list[tuple[ItemRef, str, Any]]) -> None:
        effects = [
            effect_ask(self.core, Call(self._target, (item,), {}), key, ref.branch, ref) for ref, key, item in places
        ]
        if self._options.checkpoint_every == 1:
            self.core.ask(unit.key, effects[0])
        else:
            self.core.ask(unit.key, asks.Chunk(key=unit.key, effects=effects, concurrency=self._options.concurrency))

    def _begin_child(self, place: tuple[ItemRef, str, Any]) -> None:
        if self._group_complete:
            return
        ref, key, item = place
        call = Call[Any](self._target, (item,), {})
        self.core.check_cancelling(key)
        self.core.ask(key, child_ask(call, key, ref.branch, item=ref, limit=self._options.concurrency))

    def _begin_branch(self, unit: _Unit, place: tuple[ItemRef, str, Any]) -> None:
        ref, key, item = place
        scope = unit.branch = Scope(self.core, key, now=self.scope.loop.now)
        self.core.begin(scope, lambda _: self._mapped.fn(item))
        assert scope.main is not None, "begin sets it"
        scope.main.add_done_callback(lambda _: self._branch_ended(scope, ref, key))

    def _branch_ended(self, scope: Scope, ref: ItemRef, key: str) -> None:
        if self.core.retired or self._closed or scope.main is None:
            return
        self.core.scope_ended(scope)
        ok, value = self._outcome_of(scope)
        self.core.ask(key, asks.BranchEnded(item=ref, ok=ok, value=value))

    def _outcome_of(self, scope: Scope) -> tuple[bool, bytes]:
        assert scope.main is not None, "called when it is done"
        if scope.main.cancelled():
            return False, codec.pack_failure("CancelledError", "the branch was cancelled")
        error = scope.main.exception()
        if error is None:
            try:
                return True, codec.pack(codec.shape_of(self._returns).settle(scope.main.result())[0])
            except NotStorable as problem:
                error = problem
        return False, codec.failure_of(error).pack()

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
        if self._mode == "child" and self._exhausted and not self._group_complete and not self._closed:
            self._group_complete = True
            self.core.ask(f"~group:{self.key}", self._group(self._pulled))
        if self._exhausted and not self._running and not self.whole.done():
            self.whole.set_result(Results(self._values, self._pulled))
            self._closed = True
            self._branches.clear()
            self.core.touch(self.scope)
            self._wake()

    def _group(self, total: int | None) -> asks.SetGroup:
        return asks.SetGroup(
            key=self.key,
            branch=self.scope.branch,
            map=self.hash,
            limit=self._options.concurrency,
            every=self._streaming,
            first_failure=not self._options.collect,
            total=total,
        )

    def _stop_running(self) -> None:
        if self._mode == "child" and self._running:
            cancel = f"~cancel:{self.key}"
            if cancel not in self.core.recorded.intents:
                self.core.ask(cancel, asks.CancelGroup(key=self.key, map=self.hash, branch=self.scope.branch))
            return
        for unit in self._running:
            if unit.branch is not None and unit.branch.main is not None:
                unit.branch.main.cancel()
                self.core.touch(unit.branch)
            elif not self.core.withdraw(unit.key):
                self.core.ask(f"~abandon:{unit.key}", asks.Abandon(key=unit.key))


def _recorded_branches(index: Any) -> array[int]:
    """The recorded branch hash of each item by its ord; 0 where there is none."""
    if index is None or not len(index.ords):
        return array("q")
    branches = array("q", bytes(8 * (max(index.ords) + 1)))
    for ord_, branch in zip(index.ords, index.branches, strict=True):
        branches[ord_] = branch
    return branches


def _mode_of(fn: Callable[..., Any], scope: Scope) -> Mode:
    if isinstance(fn, Agent):
        return "child"
    if isinstance(fn, Tool) or not inspect.iscoroutinefunction(fn):
        return "step"
    return "branch" if _belongs_to_body(fn, scope.core.body_name) else "step"


def _belongs_to_body(fn: Callable[..., Any], body_name: str) -> bool:
    """Whether a coroutine function makes calls itself: it is defined in the body, or holds the body's context."""
    while isinstance(fn, functools.partial):
        if any(isinstance(value, InBody) for value in (*fn.args, *fn.keywords.values())):
            return True
        fn = fn.func
    cells = [cell.cell_contents for cell in getattr(fn, "__closure__", None) or () if _filled(cell)]
    return any(isinstance(value, InBody) for value in cells) or fn.__qualname__.startswith(f"{body_name}.<locals>.")


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a local that is not assigned yet
        return False


def _target_of(mapped: Mapped[Any, Any]) -> Target:
    fn = mapped.fn
    if isinstance(fn, Agent | Tool):
        return fn.target
    return Target(op=Op.STEP, name=name_of(fn), fn=fn)
