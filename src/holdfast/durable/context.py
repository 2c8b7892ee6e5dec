"""What a body receives: the way to steps, maps, promises, children and durable time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Generator, Iterable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Concatenate, Generic, Literal, NoReturn, ParamSpec, overload
from uuid import UUID

from typing_extensions import TypeVar

from holdfast import codec
from holdfast.clock import Duration, from_datetime, micros, to_datetime
from holdfast.durable import asks
from holdfast.durable.calls import Call, target_of_step
from holdfast.durable.catalog import Agent, Tool
from holdfast.durable.core import Core
from holdfast.durable.handles import Run
from holdfast.durable.map import Mapped
from holdfast.durable.mapwork import MapOptions
from holdfast.durable.outcomes import promise_decoder
from holdfast.durable.results import Failure
from holdfast.durable.scope import InBody, Scope, current_scope
from holdfast.errors import BadOption, UsageError
from holdfast.records.journal import Op
from holdfast.records.run import Progress
from holdfast.store.transactions import PostgresTransaction, SqliteTransaction

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
D = TypeVar("D", default=None)


class Promise(InBody, Generic[R]):
    """A durable value that somebody outside resolves; await it, as often as you like.

    Attributes:
        id: what the outside needs: ``client.resolve(promise.id, value)``. Known before anybody awaits it.
    """

    def __init__(self, scope: Scope, key: str) -> None:
        self.id = f"{scope.core.run_id}/{key}"
        self.key = key  # its id without that of the run, which a fork has another of

    def __await__(self) -> Generator[Any, Any, R]:
        scope = current_scope(f"promise {self.id} was awaited")
        value: R = yield from _shared(scope, self.key).__await__()
        return value


class ChildRun(Run[R], InBody):
    """A child that ``ctx.start`` began, as its parent sees it."""

    def __init__(self, core: Core, run_id: str, key: str) -> None:
        self.id = run_id
        self._core = core
        self._key = key

    async def result(self, *, timeout: Duration | None = None) -> R:
        """Wait for the child's result, as ``await child(…)`` does.

        Raises:
            ChildFailed: it failed, or was cancelled (``ChildCancelled``).
            TimeoutError: ``timeout`` passed; the child goes on.
        """
        async with asyncio.timeout(None if timeout is None else micros(timeout) / 1e6):
            result: R = await _shared(current_scope(f"the result of run {self.id} was awaited"), self._key)
            return result

    async def cancel(self, *, reason: str = "") -> None:
        """Ask the child to cancel; does not wait for its end."""
        self._core.requests.cancel_child(current_scope("cancel()"), self._key)

    async def status(self) -> str:
        """Not for a body: what it saw could not be replayed.

        Raises:
            UsageError: always; await ``result()``, or look from outside with ``client.get(id)``.
        """
        raise UsageError(
            f"status() of run {self.id} in a body: it would not replay. Await result(), or ask in a ctx.step"
        )


class BaseContext(InBody, Generic[D]):
    """What every body receives, whatever patterns are wired in; see ``holdfast.Context``.

    Attributes:
        run_id: the run's id.
        deps: what the app's lifespan yielded; live objects for steps, not recorded.
    """

    def __init__(self, core: Core, deps: D) -> None:
        self._core = core
        self.run_id = core.run_id
        self.deps = deps

    @property
    def random(self) -> Random:
        """Random numbers that are the same on replay (seeded by run and branch)."""
        return current_scope("ctx.random").random

    @property
    def workspace(self) -> Path:
        """The run's own directory, for its steps to work in; its files are recorded with every step that ends.

        They are there again wherever the run resumes. The body itself only names paths: ``ctx.workspace / "log.txt"``.

        Example:
            >>> async def body(ctx):
            ...     await ctx.step(write_report, ctx.workspace / "report.md")
        """
        current_scope("ctx.workspace")
        return self._core.place.touch()

    def now(self) -> datetime:
        """The time of what the body has last observed (UTC); the same on replay."""
        return to_datetime(current_scope("ctx.now()").loop.now)

    def uuid(self) -> UUID:
        """A fresh UUID (version 4); the same on replay."""
        return current_scope("ctx.uuid()").uuid()

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Say how far the run is; shown by ``holdfast runs watch``, not part of its journal.

        Example:
            >>> async def body(ctx):
            ...     ctx.progress(3, 10, "claims read")
        """
        current_scope("ctx.progress()")
        for name, value, kind in (("done", done, int), ("total", total, int | None), ("message", message, str)):
            if not isinstance(value, kind):
                raise BadOption(f"ctx.progress({name}={value!r}): a {kind} is needed")
        self._core.progress = Progress(done=done, total=total, message=message)

    def changed(self, name: str) -> bool:
        """Say that the calls named ``name`` differ on purpose from what runs in flight have recorded.

        Guarded calls of that name (tools, children, ``at_most_once`` and transactional steps) that are recorded but no
        longer made, or made with other arguments, do not block the run. Answers whether this run takes the new way:
        False if it has recorded a call of that name from here on, True otherwise. The answer is recorded.

        Example:
            >>> async def body(ctx):
            ...     if ctx.changed("pay"):
            ...         await pay_by_wire("c-1")
            ...     else:
            ...         await pay("c-1")
        """
        return self._core.changed(current_scope("ctx.changed()"), name)

    async def sleep_until(self, when: datetime) -> None:
        """Sleep until an instant; costs no memory. For a span, ``asyncio.sleep`` does the same.

        Raises:
            BadOption: ``when`` has no time zone.
        """
        await self._core.until(current_scope("ctx.sleep_until()"), from_datetime(when))

    @overload
    def step(self, fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> Call[R]: ...
    @overload
    def step(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Call[R]: ...
    @overload
    def step(
        self,
        fn: Callable[Concatenate[PostgresTransaction, P], Coroutine[Any, Any, R]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Call[R]: ...
    @overload
    def step(
        self, fn: Callable[Concatenate[SqliteTransaction, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Call[R]: ...
    def step(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Call[Any]:
        """A call that runs ``fn(*args, **kwargs)`` once and records its outcome; await it.

        Async functions run on the worker's loop, others in a thread. Options go to :meth:`Call.using`.
        A function whose first parameter is a :class:`SqliteTransaction` (or a :class:`PostgresTransaction`, and async)
        is given it: what it writes there is committed together with its record, exactly once.

        Raises:
            BadOption: ``fn`` is a tool or an agent: call it, ``await fn(…)``.

        Example:
            >>> async def body(ctx):
            ...     return await ctx.step(fetch, "https://…").using(retries=3)
        """
        current_scope("ctx.step()")
        if isinstance(fn, (Tool, Agent)):
            raise BadOption(f"ctx.step({fn!r}, …): tools and agents are called, not passed: await {fn.name}(…)")
        if not callable(fn):
            raise BadOption(f"ctx.step({fn!r}, …): pass the function and its arguments, not its result")
        return Call(target_of_step(fn), args, kwargs)

    @overload
    def map(
        self,
        fn: Callable[[T], Awaitable[R]],
        items: Iterable[T] | AsyncIterable[T],
        /,
        *,
        key: Callable[[T], str],
        concurrency: int = 10,
        checkpoint_every: int = 1,
        on_error: Literal["collect"],
    ) -> Mapped[T, R | Failure]: ...
    @overload
    def map(
        self,
        fn: Callable[[T], Awaitable[R]],
        items: Iterable[T] | AsyncIterable[T],
        /,
        *,
        key: Callable[[T], str],
        concurrency: int = 10,
        checkpoint_every: int = 1,
        on_error: Literal["fail"] = "fail",
    ) -> Mapped[T, R]: ...
    @overload
    def map(
        self,
        fn: Callable[[T], R],
        items: Iterable[T] | AsyncIterable[T],
        /,
        *,
        key: Callable[[T], str],
        concurrency: int = 10,
        checkpoint_every: int = 1,
        on_error: Literal["collect"],
    ) -> Mapped[T, R | Failure]: ...
    @overload
    def map(
        self,
        fn: Callable[[T], R],
        items: Iterable[T] | AsyncIterable[T],
        /,
        *,
        key: Callable[[T], str],
        concurrency: int = 10,
        checkpoint_every: int = 1,
        on_error: Literal["fail"] = "fail",
    ) -> Mapped[T, R]: ...
    def map(
        self,
        fn: Callable[[Any], Any],
        items: Iterable[Any] | AsyncIterable[Any],
        /,
        *,
        key: Callable[[Any], str],
        concurrency: int = 10,
        checkpoint_every: int = 1,
        on_error: Literal["fail", "collect"] = "fail",
    ) -> Mapped[Any, Any]:
        """Run ``fn`` for every item, each of them a checkpoint. See :class:`Mapped` for what to do with the result.

        Args:
            fn: a plain function or a tool (a step per item), an agent (a child run per item), or an ``async def``
                defined in the body, which may make calls of its own (a branch per item; it speaks by its return value
                only).
            items: any iterable or async iterable; they must come again in the same order after a crash.
            key: what identifies an item, as text; duplicates are refused.
            concurrency: how many run at once.
            checkpoint_every: commit so many items together (plain functions only): a crash repeats at most the chunks
                that were at work.
            on_error: ``"fail"`` raises the first failure and cancels the rest; ``"collect"`` puts a
                :class:`Failure` in the item's place.

        Raises:
            BadOption: options that do not fit, or a lambda.
            DuplicateKey: two items have one key (when awaited).

        Example:
            >>> async def body(ctx, claims):
            ...     return list(await ctx.map(assess, claims, key=lambda c: c.id, concurrency=50))
        """
        if on_error not in ("fail", "collect"):
            raise BadOption(f"on_error={on_error!r}: choose 'fail' or 'collect'")
        options = MapOptions(
            key=key, concurrency=concurrency, checkpoint_every=checkpoint_every, collect=on_error == "collect"
        )
        return Mapped(fn, items, options, current_scope("ctx.map()"))

    def promise(self, name: str, type: type[T], /) -> Promise[T]:
        """A durable value that the outside resolves, once, with ``client.resolve(promise.id, value)``.

        It may be resolved before it is declared here. The same name is the same promise.

        Raises:
            BadOption: the name contains ``/`` or ``#``.

        Example:
            >>> async def body(ctx):
            ...     paid = ctx.promise("paid", bool)
            ...     await ctx.step(send_link, paid.id)
            ...     return await paid
        """
        return declared(current_scope("ctx.promise()"), name, type)

    async def start(self, call: Call[R], /, *, key: str | None = None, detached: bool = False) -> Run[R]:
        """Start a child run without waiting for it; durable before any effect that follows.

        Args:
            call: of an agent.
            key: what tells it from other children of that agent (as ``call.using(key=…)``).
            detached: it lives on when this run ends, and is not reached by its cancel. Other children that are not
                finished when this run ends are cancelled.

        Raises:
            BadOption: the call is not of an agent.

        Example:
            >>> async def body(ctx):
            ...     child = await ctx.start(research("floods"), detached=True)
            ...     return child.id
        """
        scope = current_scope("ctx.start()")
        if not isinstance(call, Call) or call.target.op is not Op.CHILD:
            raise BadOption(f"ctx.start({call!r}): only calls of agents can be started; await the others")
        if key is not None:
            call = call.using(key=key)
        call.spend("started")
        own = self._core.requests.start_child(scope, call, detached=detached)
        return ChildRun(self._core, self._core.child_id(own), own)

    async def continue_as(self, call: Call[Any], /) -> NoReturn:
        """End this journal and go on with ``call`` under the same run id, with a fresh journal: for endless bodies.

        Children that are not detached end; promises that were resolved and not yet awaited are carried over.

        Raises:
            BadOption: the call is not of an agent.

        Example:
            >>> async def watch(ctx, seen: int):
            ...     await asyncio.sleep(3600)
            ...     await ctx.continue_as(watch(seen + 1))
        """
        scope = current_scope("ctx.continue_as()")
        if not isinstance(call, Call) or call.target.op is not Op.CHILD:
            raise BadOption(f"ctx.continue_as({call!r}): go on with a call of an agent")
        await self._core.continue_as(scope, call)
        raise AssertionError("a run that continues does not return")


def declared(scope: Scope, name: str, type: type[T], schema: bytes | None = None) -> Promise[T]:
    """A promise of a scope; whoever resolves it is held to the schema, by default that of its type.

    Raises:
        BadOption: the name contains ``/`` or ``#``.
    """
    if not name or "/" in name or "#" in name or name.startswith("~"):
        raise BadOption(f"{name!r} cannot name a promise: use text without '/' and '#' that does not begin with '~'")
    core, key = scope.core, f"{scope.prefix}{name}"
    if core.slots.find(key) is None:
        core.slots.open(scope, key, promise_decoder(type), shared=True)
        if key not in core.recorded.intents:
            held_to = codec.shape_of(type).schema() if schema is None else schema
            core.ask(key, asks.Declare(key=key, branch=scope.branch, name=name, schema=held_to))
    return Promise(scope, key)


def _shared(scope: Scope, key: str) -> asyncio.Future[Any]:
    slot = scope.core.slots.find(key)
    if slot is None:
        raise UsageError(f"{key} is not of this run")
    return scope.core.slots.wait(scope, slot)
