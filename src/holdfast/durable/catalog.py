"""What an app defines: agents by name and version, tools by name."""

from __future__ import annotations

import functools
import hashlib
import inspect
import typing
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from holdfast.durable.calls import Call, Options, Target, name_of
from holdfast.durable.quotas import quota_of
from holdfast.errors import BadOption, DuplicateName, UnknownAgent
from holdfast.records.journal import Op
from holdfast.records.worker import Hosted, Quota

if TYPE_CHECKING:  # only passed on
    from holdfast.durable.core import Core

MakeContext = Callable[["Core", Any], Any]
"""Makes what a body receives first, of a run's core and the deps."""

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D")


class ToolContext(Generic[D]):
    """What a tool receives as its first parameter if it is annotated with this class.

    Attributes:
        deps: what the app's lifespan yielded.
        idempotency_key: the same at every attempt of this call, in every process; different for every other call.
    """

    __slots__ = ("deps", "idempotency_key")

    def __init__(self, deps: D, idempotency_key: str) -> None:
        self.deps = deps
        self.idempotency_key = idempotency_key


class Tool(Generic[P, R]):
    """An effect on the outside world, under a name; calling it makes a :class:`Call`. Made by ``@app.tool``."""

    def __init__(self, fn: Callable[..., Any], name: str, defaults: Options) -> None:
        self.fn = fn
        self.name = name
        self.takes_context = takes(fn, ToolContext)
        self.target = Target(
            op=Op.TOOL, name=name, fn=fn, injected=int(self.takes_context), guarded=True, defaults=defaults
        )
        self._look_like(fn, name)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        return Call(self.target, args, kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name}>"

    def _look_like(self, fn: Callable[..., Any], name: str) -> None:
        """To whoever asks what it takes and does (an agent's library, for the model), it looks like its function."""
        functools.update_wrapper(self, fn, updated=())
        self.__name__ = name
        signature = inspect.signature(fn)
        parameters = list(signature.parameters.values())[int(self.takes_context) :]
        self.__signature__ = signature.replace(parameters=parameters)


class Agent(Generic[P, R]):
    """A version of an agent; calling it makes a :class:`Call`. Made by ``@app.agent``."""

    def __init__(
        self,
        fn: Callable[..., Coroutine[Any, Any, R]],
        name: str,
        version: str,
        quota: Quota | None = None,
        context: MakeContext | None = None,
    ) -> None:
        self.fn = fn
        self.name = name
        self.version = version
        self.quota = quota
        self.build = build_of(fn)
        self._context = context
        self.target = Target(op=Op.CHILD, name=name, fn=fn, injected=1, guarded=True, version=version)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        return Call(self.target, args, kwargs)

    def body(self, core: Core, deps: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Coroutine[Any, Any, R]:
        """Its body, called with a context of a run."""
        if self._context is None:
            raise BadOption(f"{self!r} was made without a context: register it with @app.agent")
        return self.fn(self._context(core, deps), *args, **kwargs)

    def __repr__(self) -> str:
        return f"<agent {self.name} version {self.version}>"


class Catalog:
    """The agents and tools of one app.

    Args:
        context: makes what bodies receive first; without it, nothing can be executed, only looked at.
    """

    def __init__(self, context: MakeContext | None = None) -> None:
        self._context = context
        self.agents: dict[Hosted, Agent[Any, Any]] = {}
        self.tools: dict[str, Tool[Any, Any]] = {}

    def add_agent(
        self,
        fn: Callable[..., Any],
        *,
        name: str | None,
        version: str,
        limit: int | None = None,
        rate: str | None = None,
    ) -> Agent[Any, Any]:
        """Register an agent; ``limit`` and ``rate`` are of all its versions together.

        Raises:
            DuplicateName: the name and version are taken.
            BadOption: it is not an ``async def`` with a context first, or cannot be named; or its limits make no sense.
        """
        if not inspect.iscoroutinefunction(fn):
            raise BadOption(f"{fn!r} is not an agent: write `async def {getattr(fn, '__name__', 'name')}(ctx, …)`")
        if not list(inspect.signature(fn).parameters):
            raise BadOption(f"agent {fn.__name__} takes no context: write `async def {fn.__name__}(ctx: Context, …)`")
        hosted = Hosted(agent=_checked_name(fn, name), version=version)
        if hosted in self.agents:
            raise DuplicateName(
                f"agent {hosted.agent!r} version {version!r} is defined twice ({self.agents[hosted].fn.__module__} and "
                f"{fn.__module__}): rename one, or declare another version=…"
            )
        quota = quota_of(limit, rate)
        before = self.quotas.get(hosted.agent, quota)
        if quota is not None and quota != before:
            raise BadOption(f"agent {hosted.agent!r} has other limits in another version: they are of all its versions")
        return self.agents.setdefault(hosted, Agent(fn, hosted.agent, version, quota, self._context))

    def add_tool(self, fn: Callable[..., Any], *, name: str | None, defaults: Options) -> Tool[Any, Any]:
        """Register a tool.

        Raises:
            DuplicateName: the name is taken.
            BadOption: it cannot be named, or have such an effect.
        """
        own = _checked_name(fn, name)
        if defaults.effect == "transactional":
            raise BadOption(f"tool {own!r}: only functions given to ctx.step take a transaction: ctx.step({own}, …)")
        if own in self.tools:
            raise DuplicateName(f"tool {own!r} is defined twice: rename one, or give it @app.tool(name=…)")
        return self.tools.setdefault(own, Tool(fn, own, defaults))

    def hosted(self) -> list[Hosted]:
        """Every version that this process has the code of."""
        return list(self.agents)

    @property
    def quotas(self) -> dict[str, Quota]:
        """How much of an agent all workers together may do, by its name; those without limits are left out."""
        return {hosted.agent: agent.quota for hosted, agent in self.agents.items() if agent.quota is not None}

    def agent(self, name: str, version: str | None = None) -> Agent[Any, Any]:
        """The agent of this name; without a version, the one defined last.

        Raises:
            UnknownAgent: there is none; the message lists those that exist.
        """
        found = [
            agent for hosted, agent in self.agents.items() if hosted.agent == name and version in (None, hosted.version)
        ]
        if not found:
            known = ", ".join(f"{hosted.agent} version {hosted.version}" for hosted in self.agents) or "none"
            asked = f"agent {name!r}" if version is None else f"agent {name!r} version {version!r}"
            raise UnknownAgent(f"{asked} is not defined here; defined are: {known}")
        return found[-1]


def build_of(fn: Callable[..., Any]) -> str:
    """A digest of the function's code: what an activation really ran, finer than its declared version."""
    digest = hashlib.blake2b(digest_size=8)
    _feed(digest, fn.__code__)
    return digest.hexdigest()


def _feed(digest: hashlib.blake2b, code: CodeType) -> None:
    digest.update(code.co_code)
    for name in (*code.co_names, *code.co_varnames):
        digest.update(name.encode() + b"\0")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _feed(digest, constant)
        elif isinstance(constant, frozenset):
            digest.update(repr(sorted(map(repr, constant))).encode())
        else:
            digest.update(repr(constant).encode())


def _checked_name(fn: Callable[..., Any], name: str | None) -> str:
    own = name if name is not None else name_of(fn).rsplit(".", 1)[-1]
    if not own or any(character in own for character in "/#~ "):
        raise BadOption(f"{own!r} cannot name {fn!r}: give it name=… without '/', '#', '~' or blanks")
    return own


def takes(fn: Callable[..., Any], context: type) -> bool:
    """Whether the first parameter is annotated with ``context``; read from the text where names do not resolve."""
    parameters = list(inspect.signature(fn).parameters.values())
    if not parameters:
        return False
    annotation = parameters[0].annotation
    if isinstance(annotation, str):
        return annotation.split("[", 1)[0].rsplit(".", 1)[-1] == context.__name__
    return (typing.get_origin(annotation) or annotation) is context
