"""Holding a recorded history against the present code, without executing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from holdfast import codec
from holdfast.durable import asks
from holdfast.durable.absent import problem_of
from holdfast.durable.catalog import Agent
from holdfast.durable.core import Core, Identity, Loader
from holdfast.durable.ending import end_of
from holdfast.durable.fit import told
from holdfast.durable.scope import Scope
from holdfast.durable.watchdog import InterruptedByWatchdog, Watchdog
from holdfast.errors import HoldfastError, UsageError
from holdfast.records.delta import Block, End, Finish
from holdfast.records.journal import Entry, History, Kind, Op
from holdfast.records.run import Run, Status

PATIENCE = 60.0
"""Seconds that a replayed body may take, unless told otherwise; 50,000 recorded steps take three."""

_TURN = 20_000
_CALLBACKS = 1_000_000  # that a body may run between two deliveries, all in all; a second's worth
_CALLBACKS_EACH = 200  # more for each delivery
_CALLED = (Op.STEP, Op.TOOL, Op.MODEL, Op.CHILD, Op.APPROVAL)
_SHOWN = 200  # characters of a result


@dataclass(frozen=True, kw_only=True, slots=True)
class Divergence:
    """Where the code and a history part.

    Attributes:
        run_id: whose history.
        what: where and how, in words.
        key: of the call; empty if it is not about one.
        entry: the number of the call's entry, if there is one.
        recorded: what the history holds, in words.
        asked: what the code does instead.
    """

    run_id: str
    what: str
    key: str = ""
    entry: int | None = None
    recorded: str = ""
    asked: str = ""


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
        seed=run.origin.seed if run.origin else None, copied=run.origin.seq if run.origin else 0,
        activation=f"{run.id}/{run.generation}/{run.epoch}",
    )  # fmt: skip
    body: Callable[[Scope], Any] = lambda scope: agent.body(scope.core, deps, args, kwargs)  # noqa: E731  # typed
    return Core(identity, history, body, agent.fn.__qualname__, loader)


def divergence(
    agent: Agent[Any, Any],
    run: Run,
    history: History,
    loader: Loader,
    deps: Any = None,
    *,
    exact: bool = False,
    seconds: float = PATIENCE,
) -> Divergence | None:
    """Replay a run: None if the code does again what is recorded.

    A run that has ended must come to the same end. One that has not must take all that is recorded, and may ask for
    anything then. The body runs with ``deps``; nothing it asks for is executed.

    Args:
        agent: the code.
        run: its record.
        history: its journal.
        loader: reads values of map items.
        deps: what the body finds in ``ctx.deps``.
        exact: tell also of plain steps that an ended run recorded and the code no longer makes, and of another error.
        seconds: how long the body may take.
    """
    if run.status.ended and run.started_at is None:
        return None  # it ended before its body began
    core: Core | None = None
    with Watchdog(seconds) as watchdog:
        try:
            core = make_core(agent, run, history, deps, loader)
            _play(core)
            found = _compare(agent, run, core, exact=exact)
        except HoldfastError as error:
            found = Divergence(run_id=run.id, what=str(error))
        except InterruptedByWatchdog:
            found = None  # said below
        with suppress(InterruptedByWatchdog):
            if core is not None:
                core.retire()
    if watchdog.place:
        what = f"the body did not come to rest in {seconds:g} s (it was at {watchdog.place}): it spins, or does I/O"
        found = Divergence(run_id=run.id, what=f"{what}, which belongs into a step")
    if (misused := problem_of(deps)) is not None:
        found = Divergence(run_id=run.id, what=misused)
    return found


def _play(core: Core) -> None:
    """Deliver all that is recorded.

    Raises:
        UsageError: the body spins.
    """
    recorded = len(core.history.entries) + sum(len(index.seqs) for index in core.history.maps.values())
    budget = _CALLBACKS + recorded * _CALLBACKS_EACH
    while not core.advance(_TURN):
        budget -= _TURN
        if budget <= 0:
            raise UsageError("the body spins: it goes on without waiting for anything that is or could be recorded")


def _compare(agent: Agent[Any, Any], run: Run, core: Core, *, exact: bool) -> Divergence | None:
    new = [ask for ask in core.take() if not isinstance(ask, asks.Abandon)]
    if core.finished and core.blocked is None:
        core.end_check()
    if core.blocked is not None:
        return _blocked(run, core, core.blocked)
    drifted = [entry for entry in core.fit.drifted if entry.seq > core.identity.copied]  # a fork's ids are others
    if drifted:
        what = f"{drifted[0].key} was recorded with other arguments"
        return _at(run, drifted[0], what=what, recorded=told(drifted[0]), asked="other arguments")
    if core.cancelling is not None:
        return None  # what a body does while it is cancelled ends with its grace, wherever it is
    over = core.finished or core.continuing is not None
    if not _ended_by_itself(run):
        return _unmade(run, core) if over and exact else None
    if not over:
        return _still_waiting(run, new)
    found = _compare_end(end_of(core, codec.hints_of(agent.fn).returns, run.ended_at or 0), run, exact=exact)
    return found or (_unmade(run, core) if exact else None)


def _ended_by_itself(run: Run) -> bool:
    """Whether the body brought about the end, rather than somebody who stopped a run that was not in memory."""
    if run.status is Status.CANCELLED:
        return False  # a cancel that the body was told of is handled before
    stopped = run.status is Status.FAILED and _failed(run.error).type_name == "StoreRejected"
    return run.status.ended and not stopped


def _blocked(run: Run, core: Core, blocked: asks.Blocked) -> Divergence:
    entry = next((entry for entry in core.history.entries if entry.key == blocked.key), None)
    return Divergence(
        run_id=run.id, what=blocked.message, key=blocked.key, entry=entry and entry.seq, recorded=blocked.recorded,
        asked=blocked.asked,
    )  # fmt: skip


def _still_waiting(run: Run, new: Sequence[asks.Ask]) -> Divergence:
    waits = ", ".join(getattr(ask, "key", "") for ask in new) or "nothing that is recorded"
    what = f"the run has ended, but replayed it still waits, and asks for {waits}: time, chance or a global decided"
    return Divergence(run_id=run.id, what=what, recorded=f"the end of the run, {run.status}", asked=waits)


def _unmade(run: Run, core: Core) -> Divergence | None:
    """A recorded outcome of a call that the code no longer makes."""
    for entry in core.history.entries:
        if entry.kind is Kind.OUTCOME and entry.op in _CALLED and not core.recorded.claimed(entry.key):
            what = f"{entry.key} is recorded, and the code comes to its end without that call"
            return _at(run, entry, what=what, recorded=told(entry), asked="the end, without that call")
    return None


def _compare_end(end: End, run: Run, *, exact: bool) -> Divergence | None:
    if isinstance(end, Block):
        return Divergence(run_id=run.id, what=_failed(end.why).message)
    if not isinstance(end, Finish):
        what = f"the run ended as {run.status}, replayed it goes on with another call (continue_as)"
        return Divergence(run_id=run.id, what=what, recorded=str(run.status), asked="continue_as")
    if end.status is not run.status:
        ends = str(end.status) + ("" if end.status is Status.SUCCEEDED else f" ({_spoken(end.value)})")
        what = f"the run ended as {run.status}, replayed it ends as {ends}"
        return Divergence(run_id=run.id, what=what, recorded=str(run.status), asked=ends)
    if run.status is Status.SUCCEEDED and codec.unpack(end.value) != codec.unpack(run.result or b""):
        what = "its result is another one when it is replayed: time, chance, a global or the order of a set decided"
        return Divergence(run_id=run.id, what=what, recorded=_preview(run.result), asked=_preview(end.value))
    if exact and run.status is Status.FAILED and _spoken(end.value) != _spoken(run.error):
        what = f"it failed of {_spoken(run.error)}, replayed it fails of {_spoken(end.value)}"
        return Divergence(run_id=run.id, what=what, recorded=_spoken(run.error), asked=_spoken(end.value))
    return None


def _at(run: Run, entry: Entry, *, what: str, recorded: str, asked: str) -> Divergence:
    return Divergence(run_id=run.id, what=what, key=entry.key, entry=entry.seq, recorded=recorded, asked=asked)


def _failed(packed: bytes | None) -> codec.Failed:
    return codec.Failed.unpack(packed or codec.pack_failure("", "no reason is recorded"))


def _spoken(packed: bytes | None) -> str:
    failed = _failed(packed)
    return f"{failed.type_name}: {failed.message}"[:_SHOWN]


def _preview(packed: bytes | None) -> str:
    text = codec.unpack(packed).decode("utf-8", "replace") if packed else "nothing"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
