"""Effects: running a step's function on the worker's real loop, or in a thread, and telling how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FunctionType
from typing import Any, NamedTuple

from holdfast import codec
from holdfast.clock import SECOND, jitter
from holdfast.durable.asks import Effect
from holdfast.durable.calls import Options
from holdfast.durable.catalog import ToolContext, takes
from holdfast.durable.outcomes import TIMED_OUT, UNKNOWN
from holdfast.errors import LeaseLost, NotInRun, NotStorable
from holdfast.records.journal import Entry

logger = logging.getLogger("holdfast.step")

_LONGEST_BACKOFF = 3600 * SECOND


Tell = Callable[[str, Callable[[], bytes]], None]  # of a run, what is made only if somebody listens


class StepInfo(NamedTuple):
    """The attempt of a step that is running: what its own code, and its lines in the log, know of it."""

    run: str
    agent: str
    version: str
    step: str  # its key
    attempt: int  # from 1
    idempotency_key: str
    tell: Tell | None = None  # those who watch the run: see ``holdfast.durable.events``
    owner: tuple[int, int] = (0, 0)  # the run's row and the epoch of its activation


_step: contextvars.ContextVar[StepInfo | None] = contextvars.ContextVar("holdfast_step", default=None)


def step_or_none() -> StepInfo | None:
    """The step whose code is running, if any is; also in the tasks and threads that it began."""
    return _step.get()


def idempotency_key() -> str:
    """The key of the step that is running: the same at each of its attempts, in every process, and nowhere else.

    Hand it to services that refuse to do a thing twice. Tools find it in their ``ToolContext`` too.

    Raises:
        NotInRun: the caller is not a step's function.

    Example:
        >>> async def charge(amount: int) -> str:
        ...     return await payments.charge(amount, idempotency_key=idempotency_key())
    """
    step = _step.get()
    if step is None:
        raise NotInRun("idempotency_key() outside a step: call it in the function that ctx.step runs")
    return step.idempotency_key


class Ended(NamedTuple):
    """How an attempt ended: a packed value, or a packed failure and whether it may be tried again."""

    ok: bool
    value: bytes
    retry: bool = False


Transact = Callable[[Effect, StepInfo], Awaitable[Ended]]
"""What runs an attempt of a transactional step."""


class Effects:
    """What steps run with.

    Args:
        deps: what the app's lifespan yielded.
        pool: threads for sync steps.
        replaced: stand-ins for tools, by name (tests).
    """

    def __init__(
        self, deps: Any, pool: ThreadPoolExecutor, replaced: dict[str, Callable[..., Any]] | None = None
    ) -> None:
        self.deps = deps
        self._pool = pool
        self._replaced = replaced if replaced is not None else {}
        self._strays: dict[str, set[asyncio.Future[Any]]] = {}  # by run
        self.may_begin: Callable[[], bool] = lambda: True  # whether the lease still allows a function to begin
        self.tell: Tell | None = None
        self.transact: Transact | None = None

    async def attempt(self, effect: Effect, info: StepInfo) -> Ended:
        """Run an effect once. Raises nothing else than ``CancelledError``, when its own task is cancelled, and
        ``LeaseLost``: it could not begin, which is no outcome.

        Args:
            effect: what to run.
            info: of this attempt.
        """
        options = effect.call.options
        token = _step.set(info)
        try:
            shape = effect.call.shape
            if options.effect == "transactional" and self.transact is not None:
                return await self.transact(effect, info)
            value = await self._begun(effect, info)
            return Ended(True, codec.pack(shape.settle(value)[0]))
        except LeaseLost:  # recorded, if the lease comes back, it would fail the step for ever
            raise
        except NotStorable as error:  # the same value would fail again
            return Ended(ok=False, value=codec.failure_of(error).pack())
        except _TimedOut as late:
            if late.thread is not None and len(effect.failures) < options.retries:
                logger.warning("step %s timed out; it is tried again once its thread has ended", effect.key)
                await asyncio.wait({late.thread})  # a second attempt beside the first would be twice at once
            return _timed_out(options)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return _failed(options, error)  # the function cancelled itself
        except BaseException as error:  # also SystemExit: a step must not end its worker
            return _failed(options, error)
        finally:
            _step.reset(token)

    def _begun(self, effect: Effect, info: StepInfo) -> Awaitable[Any]:
        """What to wait for: the function's own coroutine where that will do."""
        call = effect.call
        fn, timeout = call.target.fn, call.options.timeout
        args, kwargs = call.arguments()
        if call.target.guarded:
            fn = self._replaced.get(call.target.name, fn)
            if call.target.injected and (fn is call.target.fn or takes(fn, ToolContext)):
                args = (ToolContext(self.deps, info.idempotency_key), *args)
        seconds = None if timeout is None else timeout / SECOND
        if not is_async(fn):
            return self._in_thread(fn, args, kwargs, seconds)
        began: Awaitable[Any] = fn(*args, **kwargs)
        return began if seconds is None else _limited(began, seconds)

    async def _in_thread(
        self, fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], seconds: float | None
    ) -> Any:
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        begun: asyncio.Future[None] = loop.create_future()

        def work() -> Any:
            self._check_lease()  # it may have stood in line for long
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(_tell, begun)
            return context.run(_call, fn, args, kwargs)

        queued = self._pool.submit(work)
        thread = asyncio.wrap_future(queued)
        try:
            await asyncio.wait({thread, begun}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({thread}, timeout=seconds)
        finally:
            if not thread.done():
                # Abandoned, or too slow. What still stands in line must not begin after its end is recorded; a thread
                # that is at work goes on, and nobody waits for it.
                queued.cancel()
                thread.add_done_callback(_retrieve)
                self._note_stray(thread)
        if not thread.done():
            raise _TimedOut(thread)
        result = thread.result()
        return await _limited(result, seconds) if inspect.isawaitable(result) else result

    async def strays_end(self, run_id: str) -> None:
        """Wait for the threads of a run that nobody waits for any more."""
        while strays := self._strays.get(run_id):
            await asyncio.wait(strays)

    def _note_stray(self, thread: asyncio.Future[Any]) -> None:
        step = _step.get()
        if step is None:
            return
        strays = self._strays.setdefault(step.run, set())
        strays.add(thread)
        thread.add_done_callback(lambda ended: self._forget_stray(step.run, ended))

    def _forget_stray(self, run_id: str, thread: asyncio.Future[Any]) -> None:
        strays = self._strays[run_id]
        strays.discard(thread)
        if not strays:
            del self._strays[run_id]

    def _check_lease(self) -> None:
        if not self.may_begin():
            raise LeaseLost("the worker's lease has ended: nothing may begin any more")


def cancelled_itself(error: BaseException) -> Ended:
    """The outcome of a step whose function cancelled its own task."""
    return Ended(ok=False, value=codec.failure_of(error).pack())


def _tell(begun: asyncio.Future[None]) -> None:
    if not begun.done():
        begun.set_result(None)


def backoff(options: Options, failures: int) -> int:
    """Microseconds to wait after so many failures: exponential with jitter, an hour at the most."""
    return int(min(options.backoff * 2 ** min(failures - 1, 40), _LONGEST_BACKOFF) * jitter())


def not_before(failures: Sequence[Entry]) -> int:
    """When the next attempt may begin, after those recorded."""
    return int(json.loads(codec.unpack(failures[-1].note))["not_before"]) if failures else 0


def unknown(effect: Effect, why: str) -> Ended:
    """The outcome of an ``at_most_once`` effect that began and whose end nobody saw."""
    return Ended(ok=False, value=codec.pack_failure(UNKNOWN, f"{why}; it is not tried again"))


class _TimedOut(Exception):
    def __init__(self, thread: asyncio.Future[Any] | None = None) -> None:
        self.thread = thread


async def _limited(awaitable: Awaitable[Any], seconds: float | None) -> Any:
    if seconds is None:
        return await awaitable
    try:
        async with asyncio.timeout(seconds) as limit:
            return await awaitable
    except TimeoutError:
        if limit.expired():
            raise _TimedOut from None
        raise  # the function's own


def _call(fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    try:
        return fn(*args, **kwargs)
    except StopIteration as error:  # a future cannot hold one
        raise RuntimeError(f"the step raised StopIteration: {error}") from error


def _retrieve(thread: asyncio.Future[Any]) -> None:
    error = None if thread.cancelled() else thread.exception()
    if error is not None:  # in the codec's words, which leave out what clients among its arguments say of themselves
        told = codec.failure_of(error).traceback_text
        logger.info("a sync step raised after nobody waited for it any more:\n%s", told)


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether calling it makes something to await, as far as that can be known."""
    if isinstance(fn, FunctionType) and fn.__code__.co_flags & inspect.CO_COROUTINE:  # what inspect finds out, slowly
        return True
    while hasattr(fn, "func"):  # functools.partial
        fn = fn.func
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004  # asks what calling it does, not whether it can be called


def _timed_out(options: Options) -> Ended:
    seconds = (options.timeout or 0) / SECOND
    if options.effect == "at_most_once":
        return Ended(
            ok=False, value=codec.pack_failure(UNKNOWN, f"no answer within {seconds:g} s; it is not tried again")
        )
    return timed_out(options, f"no answer within {seconds:g} s")


def timed_out(options: Options, what: str) -> Ended:
    """The outcome of an attempt that took too long, and has ended."""
    return Ended(ok=False, value=codec.pack_failure(TIMED_OUT, what), retry=issubclass(TimeoutError, options.retry_on))


def _failed(options: Options, error: BaseException) -> Ended:
    return Ended(ok=False, value=codec.failure_of(error).pack(), retry=isinstance(error, options.retry_on))
