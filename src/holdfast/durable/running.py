"""The effects of one activation that are at work, or wait to be tried again."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from holdfast import codec
from holdfast.clock import Clock
from holdfast.durable.asks import Chunk, Effect
from holdfast.durable.effects import Effects, Ended, StepInfo, cancelled_itself, not_before, unknown
from holdfast.durable.observer import Observer
from holdfast.durable.workspace.workspace import Workspace
from holdfast.errors import HoldfastError, LeaseLost, NotStorable
from holdfast.records.journal import Entry

logger = logging.getLogger("holdfast.step")

Report = Callable[[Sequence[tuple[Effect, Ended]]], None]


class Running:
    """Starts effects and reports how they ended.

    Args:
        effects: runs them.
        clock: tells when a retry may begin.
        prefix: what idempotency keys begin with.
        report: takes what has ended together.
        log: fields of every log line.
        observer: tells of the attempts.
        workspace: the run's.
        broke: told what is wrong when an attempt can neither begin nor be recorded; it ends the activation.
        owner: the run's row and the epoch of this activation.
    """

    def __init__(
        self,
        effects: Effects,
        clock: Clock,
        prefix: str,
        report: Report,
        log: dict[str, str],
        observer: Observer,
        workspace: Workspace,
        broke: Callable[[Exception], None],
        owner: tuple[int, int],
    ) -> None:
        self._effects = effects
        self._clock = clock
        self._prefix = prefix
        self._report = report
        self._log = log
        self._told = (log["run"], log["agent"], log["version"])
        self._observer = observer
        self._workspace = workspace
        self._broke = broke
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._parked: dict[str, tuple[int, Effect]] = {}

    @property
    def busy(self) -> bool:
        """Whether any effect is at work."""
        return bool(self._tasks)

    @property
    def parked(self) -> bool:
        """Whether any effect waits to be tried again."""
        return bool(self._parked)

    def next_retry(self) -> int | None:
        """When the next retry may begin."""
        if not self._parked:
            return None
        return min((when for when, _ in self._parked.values()), default=None)

    def begin(self, work: Effect | Chunk) -> None:
        """Start an effect, or park it until its next attempt is due."""
        if isinstance(work, Chunk):
            self._spawn(work.key, self._run_chunk(work))
            return
        if work.begun and work.call.options.effect == "at_most_once":
            self._spawn(work.key, self._tell_unknown(work))
        elif work.failures and (when := not_before(work.failures)) > self._clock.now():
            self._parked[work.key] = (when, work)
        else:
            self._spawn(work.key, self._run_one(work))

    def begin_due(self) -> None:
        """Start the parked effects whose time has come."""
        now = self._clock.now()
        for key, (when, effect) in list(self._parked.items()):
            if when <= now:
                del self._parked[key]
                self._spawn(key, self._run_one(effect))

    def park(self, effect: Effect, attempt: Entry) -> None:
        """Try an effect again, after a failure that is recorded, when :meth:`begin_due` finds that it is time."""
        again = effect._replace(failures=(*effect.failures, attempt))
        self._parked[effect.key] = (not_before(again.failures), again)

    def abandon(self, key: str) -> None:
        """Stop an effect that nobody waits for."""
        self._parked.pop(key, None)
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()

    def cancel_all(self) -> None:
        """Stop everything."""
        self._parked.clear()
        for key in list(self._tasks):
            self.abandon(key)

    def _spawn(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        # Not in the context of whoever is at work just now, maybe another run's step: what that has set is its own.
        context = self._context.copy()
        self._tasks[key] = self._loop.create_task(work, name=f"holdfast-step {key}", context=context)

    async def _tell_unknown(self, effect: Effect) -> None:
        self._tasks.pop(effect.key, None)
        self._report([(effect, unknown(effect, "it began, and its worker stopped before it ended"))])

    async def _run_one(self, effect: Effect) -> None:
        info = self._info(effect)
        if logger.isEnabledFor(logging.DEBUG):
            told = self._log | {"step": info.step, "attempt": info.attempt}
            logger.debug("step %s begins", effect.key, extra={"holdfast": told})
        try:
            ended = await self._attempt(effect, info)
        except LeaseLost as error:
            self._broke(error)
            return
        except asyncio.CancelledError as error:
            if self._tasks.get(effect.key) is not asyncio.current_task():
                raise  # it was abandoned
            ended = cancelled_itself(error)
        self._tasks.pop(effect.key, None)
        self._report([(effect, ended)])

    async def _run_chunk(self, chunk: Chunk) -> None:
        places = asyncio.Semaphore(chunk.concurrency)
        whole = asyncio.current_task()

        async def one(effect: Effect) -> tuple[Effect, Ended]:
            async with places:
                try:
                    return effect, await self._attempt(effect, self._info(effect))
                except asyncio.CancelledError as error:
                    if self._tasks.get(chunk.key) is not whole:
                        raise
                    return effect, cancelled_itself(error)

        try:
            ended = await asyncio.gather(*(one(effect) for effect in chunk.effects))
        except LeaseLost as error:
            self._broke(error)
            return
        self._tasks.pop(chunk.key, None)
        self._report(ended)

    def _attempt(self, effect: Effect, info: StepInfo) -> Awaitable[Ended]:
        attempt = self._attempt_there if self._workspace.used else self._observer.attempt
        return attempt(self._effects, effect, info)

    async def _attempt_there(self, effects: Effects, effect: Effect, info: StepInfo) -> Ended:
        workspace = self._workspace
        with self._breaking():
            await workspace.ready()
            self._check_lease()
        ended = await self._observer.attempt(effects, effect, info)
        with self._breaking():
            try:
                await workspace.record()
            except NotStorable as error:
                return _unkept(effect, ended, error)
        return Ended(ok=True, value=workspace.place.repacked(ended.value)) if ended.ok else ended

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """What is wrong with the workspace itself is no outcome: the activation ends, and abandons what is at work."""
        try:
            yield
        except (OSError, HoldfastError) as error:
            self._broke(error)
            raise asyncio.CancelledError from error

    def _check_lease(self) -> None:
        if not self._effects.may_begin():  # to restore the workspace may have taken long
            raise LeaseLost("the worker's lease has ended: nothing may begin any more")

    def _info(self, effect: Effect) -> StepInfo:
        key = effect.key
        number, idempotency_key = len(effect.failures) + 1, f"{self._prefix}/{key}"
        return StepInfo(*self._told, key, number, idempotency_key, self._effects.tell, self._owner)


def _unkept(effect: Effect, ended: Ended, error: NotStorable) -> Ended:
    """The outcome of a step after which the workspace cannot be kept.

    A failure stays what it is. So does what may not happen twice: a body that is told that it failed might do it again.
    """
    if ended.ok and effect.call.options.effect == "at_least_once":
        return Ended(ok=False, value=codec.failure_of(error).pack())
    logger.error("step %s is recorded without what has changed in the workspace: %s", effect.key, error)
    return ended
