"""What an activation tells telemetry: nothing here has any effect on the run."""

from __future__ import annotations

import time
from collections.abc import Awaitable

from holdfast import codec
from holdfast.clock import SECOND
from holdfast.durable.asks import Effect
from holdfast.durable.effects import Effects, Ended, StepInfo
from holdfast.durable.outcomes import TIMED_OUT, UNKNOWN
from holdfast.records.delta import Block, Delta, End, Finish, HandBack, Pause, Renew, Suspend
from holdfast.records.journal import Op
from holdfast.records.run import Status
from holdfast.store.base import Claimed
from holdfast.telemetry import metrics, tracing

_LEFT: dict[type[End], str] = {
    Suspend: "suspended", Finish: "ended", Block: "blocked", Pause: "paused", Renew: "renewed", HandBack: "handed_back",
}  # fmt: skip
_LOST = "lost"
_OPS = {Op.STEP: "step", Op.TOOL: "tool", Op.MODEL: "model"}
_OUTCOMES = {TIMED_OUT: "timed_out", UNKNOWN: "unknown"}
_NAMELESS = "(lambda)"  # a function without a name: its calls have keys, which are no label


class Observer:
    """Tells of one activation.

    Args:
        claimed: what it begins with.
        build: which code it runs.
        now: when it begins, microseconds.
    """

    __slots__ = ("_agent", "_trace")

    def __init__(self, claimed: Claimed, build: str, now: int) -> None:
        run = claimed.run
        self._agent = run.agent
        # The store's time, or the caller's: clocks of two machines may make it negative.
        waited = max(0, now - claimed.ready_at) / SECOND
        metrics.activated(run.agent, waited=waited, replayed=len(claimed.history.entries))
        self._trace = tracing.begin(run, build, before=claimed.trace_before, parent=claimed.trace_parent)

    def stamped(self, delta: Delta) -> Delta:
        """A delta, the first one with the trace for the next activation to link to."""
        kept = self._trace.to_keep() if self._trace is not None else None
        return delta if kept is None else delta._replace(trace=kept)

    def attempt(self, effects: Effects, effect: Effect, info: StepInfo) -> Awaitable[Ended]:
        """Run an attempt of a step, and tell how it went; see :meth:`Effects.attempt`."""
        if self._trace is None:
            return self._counted(effects, effect, info, None)
        return self._traced(self._trace, effects, effect, info)

    async def _traced(self, trace: tracing.ActivationTrace, effects: Effects, effect: Effect, info: StepInfo) -> Ended:
        target = effect.call.target
        name = target.name or _NAMELESS
        with trace.attempt(target.op, name, info.step, info.idempotency_key, info.attempt) as told:
            return await self._counted(effects, effect, info, told)

    async def _counted(self, effects: Effects, effect: Effect, info: StepInfo, told: tracing.Attempt | None) -> Ended:
        began = time.perf_counter()
        outcome, error = "cancelled", ""
        try:
            ended = await effects.attempt(effect, info)
            outcome, error = ("succeeded", "") if ended.ok else _failure(ended)
            return ended
        finally:
            target = effect.call.target
            seconds = time.perf_counter() - began
            metrics.attempted(self._agent, target.name or _NAMELESS, _OPS[target.op], outcome, seconds)
            if told is not None:
                told.outcome, told.error = outcome, error

    def left(self, end: End | None, *, handed_back: bool) -> None:
        """It has left memory.

        Args:
            end: what of it was committed, if anything was.
            handed_back: whether its worker stops; else, without an end, its run has another owner, or will have.
        """
        metrics.left(self._agent)
        if self._trace is None:
            return
        how = _LEFT[type(end)] if end is not None else "handed_back" if handed_back else _LOST
        status = str(end.status) if isinstance(end, Finish) else ""
        self._trace.end(how, status=status, error=_error(end, how))


def _failure(ended: Ended) -> tuple[str, str]:
    error = codec.Failed.unpack(ended.value).type_name
    return _OUTCOMES.get(error, "failed"), error


def _error(end: End | None, how: str) -> str:
    """The type of what went wrong, never its message."""
    if isinstance(end, Finish) and end.status is Status.FAILED:
        return codec.Failed.unpack(end.value).type_name
    if isinstance(end, Block):
        return codec.Failed.unpack(end.why).type_name
    return _LOST if how == _LOST else ""
