"""``ctx.map``: many items, one row each, a checkpoint per item or per chunk.

An item of a plain function or a tool is a step, one of an agent a child run, and one of a function that belongs to the
body (defined inside it, or holding its context) a *branch*: a piece of body on a loop of its own, so that a branch
that has finished need not run again for the others to replay. Whatever it is, its outcome is an item's row, delivered
in the order of ``seq`` like any entry; so a map replays exactly, also while it streams.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Sequence
from typing import Any, Generic, TypeVar

from holdfast.durable.calls import Target, target_of_step
from holdfast.durable.catalog import Agent, Tool
from holdfast.durable.maprun import MapRun
from holdfast.durable.mapwork import MapOptions, Mode
from holdfast.durable.scope import InBody, Scope, current_scope
from holdfast.errors import BadOption, CallReused
from holdfast.records.journal import Op

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Mapped(Generic[T, R_co]):
    """A map that is about to run: await it, or iterate over it; once.

    Awaited, it gives a lazy sequence in input order. Iterated (``async for item, result in …``), it gives pairs as they
    finish, each after it is durable.
    """

    def __init__(
        self, fn: Callable[..., Any], items: Iterable[T] | AsyncIterable[T], options: MapOptions, scope: Scope
    ) -> None:
        self.target = _target_of(fn)
        self.items = items
        self.options = options
        self.scope = scope
        self.mode = _mode_of(fn, scope)
        self._spent = False
        if not self.target.name:
            raise BadOption(f"ctx.map({fn!r}, …): a lambda has no name to find its items by: write a def")
        self.key = scope.next_key(f"map:{self.target.name}")
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
        plain = self.mode == "step" and self.target.op is Op.STEP
        if self.target.defaults.effect == "transactional":
            raise BadOption(
                f"{self.key}: it takes a transaction, which a map does not give: map over an `async def` in the body "
                f"that awaits ctx.step({self.target.name}, …)"
            )
        if options.checkpoint_every > 1 and not plain:
            raise BadOption(
                f"{self.key}: checkpoint_every above 1 takes a plain function, not a tool, an agent or a branch"
            )


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


def _target_of(fn: Callable[..., Any]) -> Target:
    if isinstance(fn, Agent | Tool):
        return fn.target
    return target_of_step(fn)
