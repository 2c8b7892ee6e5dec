"""Calls: frozen, typed requests. Making one does nothing; awaiting it does it, once and for all."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from types import FunctionType, MappingProxyType
from typing import Any, Generic, Literal, Self, TypeVar, get_args

from holdfast import codec
from holdfast.clock import SECOND, Duration, micros
from holdfast.durable.scope import Scope, current_scope, is_storable_text, scope_or_none
from holdfast.durable.signature import takes_transaction
from holdfast.errors import BadOption, CallReused, TooLarge
from holdfast.records.journal import Op

R_co = TypeVar("R_co", covariant=True)
C = TypeVar("C", bound="Call[Any]")
Fact = float | int | str | bool
Effect = Literal["at_least_once", "at_most_once"]
StepEffect = Literal["at_least_once", "at_most_once", "transactional"]
_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})
_SHOWN = 200  # characters of a call's arguments in messages
_TARGET = "__holdfast_target__"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How a call is carried out; set by :meth:`Call.using` or by a tool's decorator."""

    key: str | None = None
    timeout: int | None = None  # microseconds
    retries: int = 0
    backoff: int = SECOND  # before the first retry; doubles with each
    retry_on: tuple[type[Exception], ...] = (Exception,)
    raises: tuple[type[Exception], ...] = ()
    returns: Any = None
    version: str | None = None
    effect: StepEffect = "at_least_once"

    def changed(self, **changes: Any) -> Options:
        """A copy with every change that is not None, checked.

        Raises:
            BadOption: a value makes no sense.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        for name in ("timeout", "backoff"):
            if name in given:
                given[name] = micros(given[name])
        for name in ("raises", "retry_on"):
            if name in given:
                given[name] = tuple(given[name])
        options = replace(self, **given)
        options._check()
        return options

    def _check(self) -> None:
        if self.effect not in get_args(StepEffect):
            raise BadOption(f"effect={self.effect!r}: choose one of {', '.join(get_args(StepEffect))}")
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            raise BadOption(f"retries={self.retries!r}: a number of further attempts, 0 or more")
        if self.key is not None and not is_storable_text(self.key):
            raise BadOption(f"key={self.key!r}: a key is text that UTF-8 can write")
        if self.timeout == 0:
            raise BadOption("timeout is zero: nothing can finish in no time")
        if self.effect == "at_most_once" and self.retries:
            raise BadOption("effect='at_most_once' and retries contradict each other: a retry is a second time")
        for cls in (*self.raises, *self.retry_on):
            if not (isinstance(cls, type) and issubclass(cls, Exception)):
                raise BadOption(f"{cls!r} is not an exception class")


_PLAIN = Options()
_TRANSACTIONAL = Options(effect="transactional")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a call calls."""

    op: Op
    name: str
    fn: Callable[..., Any]
    injected: int = 0  # how many leading parameters the runtime supplies (a context)
    guarded: bool = False  # stored whole, and strict about its place in the code
    version: str = ""
    defaults: Options = _PLAIN

    @functools.cached_property
    def shape(self) -> codec.Shape[Any]:
        """Of what it returns. Found out when it is first asked for: the type may be defined below the function."""
        return codec.shape_of(codec.hints_of(self.fn).returns)


def name_of(fn: Callable[..., Any]) -> str:
    """The name under which a function's calls are counted: its qualified name without ``<locals>``.

    Empty for lambdas and nameless callables, whose calls need ``.using(key=…)``.
    """
    while isinstance(fn, functools.partial):
        fn = fn.func
    qualified = getattr(fn, "__qualname__", "")
    if not isinstance(qualified, str) or "<lambda>" in qualified:
        return ""
    return qualified.replace("<locals>.", "").replace("/", ".").replace("#", ".")


def target_of_step(fn: Callable[..., Any]) -> Target:
    """The target of a plain step; remembered on plain functions, since most are called again and again."""
    if not isinstance(fn, FunctionType):
        return _new_target(fn)
    found: Target | None = fn.__dict__.get(_TARGET)
    if found is None or found.fn is not fn:  # functools.wraps copies __dict__
        found = fn.__dict__[_TARGET] = _new_target(fn)
    return found


def _new_target(fn: Callable[..., Any]) -> Target:
    if takes_transaction(fn):
        return Target(op=Op.STEP, name=name_of(fn), fn=fn, injected=1, defaults=_TRANSACTIONAL)
    return Target(op=Op.STEP, name=name_of(fn), fn=fn)


class Call(Coroutine[Any, Any, R_co], Generic[R_co]):
    """A request to run a step, a tool or a child; await it inside a run.

    Equality is identity. A call is consumed once: awaited, started or mapped; a second use raises
    :class:`~holdfast.errors.CallReused`. :meth:`using` moves it: it returns the call to use from then on.
    """

    __slots__ = (
        "__weakref__", "_driver", "_gone", "_made", "_task", "args", "facts", "key", "kwargs", "options", "scope",
        "target",
    )  # fmt: skip

    def __init__(self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any], *, depth: int = 2) -> None:
        self.target = target
        self.args = args
        self.kwargs = kwargs
        self.options = target.defaults
        self.facts: Mapping[str, Fact] = _NO_FACTS
        self.scope: Scope | None = scope_or_none()
        self.key = self.scope.next_key(target.name) if self.scope is not None and target.name else ""
        frame = sys._getframe(depth)
        self._made = (frame.f_code, frame.f_lasti)
        self._gone = ""  # how it was consumed
        self._driver: Generator[Any, Any, R_co] | None = None
        self._task = 0  # hash of the task that drives it, if a task does
        self._watch()

    def using(
        self,
        *,
        key: str | None = None,
        timeout: Duration | None = None,
        retries: int | None = None,
        backoff: Duration | None = None,
        retry_on: Iterable[type[Exception]] | None = None,
        raises: Iterable[type[Exception]] | None = None,
        returns: type[Any] | None = None,
        version: str | None = None,
        effect: StepEffect | None = None,
    ) -> Self:
        """The same call with other options; the original is spent.

        Args:
            key: what tells this call from others of its name, instead of a running number. Write one in loops over
                data, so that a changed order finds the right record.
            timeout: of each attempt of a step, or of a whole child run.
            retries: further attempts after a failure (default 0).
            backoff: wait before the first retry (default 1 s); doubles each time, with jitter, up to an hour.
            retry_on: which exceptions are retried (default: every ``Exception``).
            raises: exceptions that the body sees as themselves, rather than as ``StepFailed``.
            returns: the result's type, for functions without an annotation.
            version: of an agent, instead of the one in this process.
            effect: ``"at_most_once"`` is never tried a second time, not even after a crash; ``"transactional"``
                commits what the function writes to the store's database together with its record (steps whose first
                parameter is a transaction, which need not say so).

        Raises:
            BadOption: a value makes no sense.
            CallReused: the call was used already.

        Example:
            >>> async def body(ctx):
            ...     return await ctx.step(fetch, "https://…").using(timeout="30s", retries=3)
        """
        changes: dict[str, Any] = {
            "retries": retries,
            "backoff": backoff,
            "retry_on": retry_on,
            "effect": effect,
            "version": version,
        }
        self._refuse_misplaced(changes)
        target = self._target_for(effect)
        options = self.options.changed(key=key, timeout=timeout, raises=raises, returns=returns, **changes)
        self.spend("moved by .using()")
        moved = self.another(type(self))
        moved.target, moved.options = target, options
        if key is not None and moved.scope is not None:
            moved.key = moved.scope.named_key(self.target.name or "call", key, self.key)
        return moved

    def given(self, **facts: Fact) -> Self:
        """The same call with stated facts, such as ``confidence``, for whoever judges it; the original is spent.

        They are no arguments: what is called does not see them, and they may change under a run in flight.

        Raises:
            BadOption: a fact is no finite number, text or bool.
            CallReused: the call was used already.

        Example:
            >>> async def body(ctx):
            ...     return await ctx.approve(ban_user("u-1").given(confidence=0.7), because="spam")
        """
        for name, value in facts.items():
            if not isinstance(value, bool | int | float | str) or value != value or value in (inf, -inf):
                raise BadOption(f"{self!r}.given({name}={value!r}): a fact is a finite number, a text or a bool")
        self.spend("moved by .given()")
        moved = self.another(type(self))
        moved.facts = {**self.facts, **facts}
        return moved

    def __await__(self) -> Generator[Any, Any, R_co]:
        return self._drive()

    def send(self, value: Any, /) -> Any:
        return self._driver_of_task().send(value)

    def throw(self, *args: Any) -> Any:
        if self._driver is None:  # a task that was cancelled before it began
            self.spend("cancelled")
        return self._driver_of_task().throw(*args)

    def close(self) -> None:
        if self._driver is None:
            self._gone = self._gone or "closed"
            self._forget()
        else:
            self._driver.close()

    def __repr__(self) -> str:
        # Not by their own repr: that of a client may hold a secret, and this text gets into logs and blocked runs.
        shown = [codec.described(arg) for arg in self.args]
        shown += [f"{name}={codec.described(value)}" for name, value in self.kwargs.items()]
        text = ", ".join(shown)
        return f"{self.target.name or 'call'}({text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'})"

    # -- for the runtime

    def another(self, cls: type[C]) -> C:
        """A call of that class, not used yet, with all that makes up this one: its key, options, and facts."""
        new: C = object.__new__(cls)
        new.target, new.args, new.kwargs, new.options = self.target, self.args, self.kwargs, self.options
        new.scope, new.key, new.facts, new._made = self.scope, self.key, self.facts, self._made
        new._gone, new._driver, new._task = "", None, 0
        new._watch()
        return new

    @property
    def where(self) -> tuple[str, int]:
        """The file and line that made it."""
        code, at = self._made
        line = next(line for first, last, line in code.co_lines() if first <= at < last)
        return code.co_filename, line or code.co_firstlineno

    @property
    def version(self) -> str:
        """The version of the agent to run."""
        return self.options.version or self.target.version

    @property
    def guarded(self) -> bool:
        """Whether it is strict about its place in the code (DESIGN §3.2)."""
        return self.target.guarded or self.options.effect != "at_least_once"

    @property
    def shape(self) -> codec.Shape[Any]:
        """Of its result."""
        returns = self.options.returns
        return self.target.shape if returns is None else codec.shape_of(returns)

    def packed_arguments(self) -> bytes:
        """Its arguments, whole.

        Raises:
            NotStorable: one of them cannot be stored, or together they are too large.
        """
        packed = codec.pack_arguments(self.target.fn, self.args, self.kwargs, skip=self.target.injected)
        if len(packed) > codec.MAX_VALUE:  # said here, to whoever makes the call, not when it is written
            raise TooLarge(
                f"the arguments of {self.target.name} have {len(packed):,} bytes, above {codec.MAX_VALUE:,}: "
                f"put the bytes elsewhere and pass a reference"
            )
        return packed

    def arguments(self) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """What its function is given at an attempt."""
        return self.args, self.kwargs

    def digest(self) -> bytes:
        """What tells a repeated start from a conflicting one."""
        return codec.fingerprint(self.packed_arguments())

    def spend(self, how: str) -> None:
        """Consume it.

        Raises:
            CallReused: it was consumed before.
        """
        if self._gone:
            file, line = self.where
            raise CallReused(
                f"{self!r}, made at {file}:{line}, was {self._gone} already: a call is used once, make a new one"
            )
        self._gone = how
        self._forget()

    def place(self, scope: Scope) -> str:
        """Its key in a run: the one it took when it was made there, else one it takes now.

        Raises:
            BadOption: its function has no name and the call no key of its own.
        """
        if self.scope is not scope or not self.key:
            if not self.target.name and self.options.key is None:
                raise BadOption(f"{self.target.fn!r} has no name to find its record by: add .using(key=…)")
            self.scope = scope
            name = self.target.name or "call"
            own = self.options.key
            self.key = scope.next_key(name) if own is None else scope.named_key(name, own, "")
        return self.key

    def _refuse_misplaced(self, changes: dict[str, Any]) -> None:
        is_agent = self.target.op is Op.CHILD
        for name, value in changes.items():
            if value is not None and is_agent != (name == "version"):
                what = "a child run is not attempted again" if is_agent else "only agents have versions"
                raise BadOption(f"{self!r}.using({name}=…): {what}")

    def _target_for(self, effect: StepEffect | None) -> Target:
        """Its target with that effect: a function that takes part in a transaction is given it first."""
        target = self.target
        takes = target.defaults.effect == "transactional"
        if effect is None or takes == (effect == "transactional"):
            return target
        if takes:
            raise BadOption(
                f"{self!r}.using(effect={effect!r}): its function takes a transaction, so it is transactional"
            )
        if target.op is not Op.STEP:
            raise BadOption(
                f"{self!r}.using(effect='transactional'): only functions given to ctx.step take a transaction"
            )
        return replace(target, injected=1, defaults=_TRANSACTIONAL)

    def _driver_of_task(self) -> Generator[Any, Any, R_co]:
        task = hash(asyncio.current_task()) if scope_or_none() else 0
        if self._driver is None:
            self._driver, self._task = self._drive(), task
        elif self._task != task:  # or it would go on with the other task's await, and take its outcome away
            raise CallReused(f"{self!r} is awaited in another task already: a call is used once, make a new one")
        return self._driver

    def _drive(self) -> Generator[Any, Any, R_co]:
        scope = scope_or_none() or current_scope(f"{self!r} was awaited")
        if self._gone != "cancelled":
            self.spend("awaited")
        value: R_co = yield from scope.core.requests.awaited(scope, self)
        return value

    def _watch(self) -> None:
        if self.scope is not None:
            self.scope.left_over[id(self)] = self

    def _forget(self) -> None:
        if self.scope is not None:
            self.scope.left_over.pop(id(self), None)
