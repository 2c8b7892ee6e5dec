"""Holding a recorded history against the present code, without executing anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast import codec
from holdfast.durable import asks
from holdfast.durable.catalog import Agent
from holdfast.durable.context import Context
from holdfast.durable.core import Core, Identity, Loader
from holdfast.durable.ending import end_of
from holdfast.durable.scope import Scope
from holdfast.errors import HoldfastError
from holdfast.records.delta import Block, Finish
from holdfast.records.journal import History
from holdfast.records.run import Run, Status

_TURN = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Divergence:
    """Where the code and a history part."""

    run_id: str
    what: str


def make_core(agent: Agent[Any, Any], run: Run, history: History, deps: Any, loader: Loader) -> Core:
    """A core for a run, about to replay its history.

    Raises:
        HoldfastError: the run's input does not fit the agent.
    """
    codec.hints_of(agent.fn).returns  # noqa: B018  # what cannot be resolved is said now, not at the end
    args, kwargs = codec.unpack_arguments(agent.fn, codec.unpack(run.input), skip=1)
    identity = Identity(
        run_id=run.id, root=run.root, generation=run.generation, started_at=run.started_at or run.created_at,
        digest=run.digest, agent=run.agent, version=run.version, again=run.epoch > 1 and run.generation == 0,
    )  # fmt: skip
    body: Callable[[Scope], Any] = lambda scope: agent.fn(Context(scope.core, deps), *args, **kwargs)  # noqa: E731  # typed
    return Core(identity, history, body, agent.fn.__qualname__, loader)


def divergence(
    agent: Agent[Any, Any], run: Run, history: History, loader: Loader, deps: Any = None
) -> Divergence | None:
    """Replay a run that has ended: None if the code does again exactly what is recorded.

    The body runs with ``deps``; nothing it asks for is executed.
    """
    try:
        core = make_core(agent, run, history, deps, loader)
        while not core.advance(_TURN):
            pass
        found = _compare(agent, run, core)
        core.retire()
    except HoldfastError as error:
        found = str(error)
    return Divergence(run_id=run.id, what=found) if found else None


def _compare(agent: Agent[Any, Any], run: Run, core: Core) -> str:
    new = [ask for ask in core.take() if not isinstance(ask, asks.Abandon)]
    if core.finished and core.blocked is None:
        core.end_check()
    if core.blocked is not None:
        return core.blocked.message
    if core.fit.drifted:
        return core.fit.drifted[0]
    if core.cancelling is not None:
        return ""  # what a body does while it is cancelled ends with its grace, wherever it is
    if not core.finished and core.continuing is None:
        waits = ", ".join(getattr(ask, "key", "") for ask in new) or "nothing that is recorded"
        return f"the run has ended, but replayed it still waits, and asks for {waits}: time, chance or a global decided"
    return _compare_end(end_of(core, codec.hints_of(agent.fn).returns, run.ended_at or 0), run)


def _compare_end(end: Any, run: Run) -> str:
    if isinstance(end, Block):
        return codec.Failed.unpack(end.why).message
    if not isinstance(end, Finish):
        return ""
    if end.status is not run.status:
        return f"the run ended as {run.status}, replayed it ends as {end.status}"
    if run.status is Status.SUCCEEDED and codec.unpack(end.value) != codec.unpack(run.result or b""):
        return "its result is another one when it is replayed: time, chance, a global or the order of a set decided"
    return ""
