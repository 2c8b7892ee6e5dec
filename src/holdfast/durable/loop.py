"""The loop on which an agent's body runs: a ready queue and a virtual clock, and nothing else.

It is an ordinary :class:`asyncio.AbstractEventLoop`, so everything in asyncio that needs no I/O works on it. Whoever
owns it decides when it runs (:meth:`BodyLoop.drain`), what time it is, and when a timer fires; so what the body does
is a function of what it has been given, and of nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import sys
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, NoReturn, Protocol
from weakref import WeakSet

from holdfast import codec
from holdfast.clock import SECOND
from holdfast.errors import BadOption, EffectInBody, UsageError

logger = logging.getLogger("holdfast.body")

_LONGEST_DELAY_S = 10_000 * 366 * 86_400  # ten thousand years
_HASH_MASK = (1 << 61) - 1

_Before = tuple[asyncio.AbstractEventLoop | None, Any, bool]
"""What was running, its hooks for async generators, and whether garbage was collected."""


class _OfItsLoop:
    """What only code on its own loop may wait for: each branch of a map has a loop of its own.

    asyncio would find out as well, but too late: it leaves the future marked as awaited, so that the body's own await
    of it fails afterwards (and, the branch being recorded, does not when it is replayed); ``asyncio.wait`` would hang.
    """

    def __await__(self) -> Generator[Any, Any, Any]:
        self.get_loop().check_running()  # type: ignore[attr-defined]  # mixed into futures
        return super().__await__()  # type: ignore[misc, no-any-return]

    def add_done_callback(self, fn: Callable[..., object], /, *, context: Context | None = None) -> None:
        self.get_loop().check_running()  # type: ignore[attr-defined]
        super().add_done_callback(fn, context=context)  # type: ignore[misc]


class BodyTask(_OfItsLoop, asyncio.Task[Any]):
    """A task hashed by its number in the run, so that sets of tasks iterate alike in every process."""

    def __init__(self, coro: Coroutine[Any, Any, Any], *, loop: BodyLoop, **options: Any) -> None:
        self._hash = loop.next_hash()  # before the base class, which puts the task into a set
        super().__init__(coro, loop=loop, **options)

    def __hash__(self) -> int:
        return self._hash

    __eq__ = object.__eq__


class BodyFuture(_OfItsLoop, asyncio.Future[Any]):
    """A future hashed like :class:`BodyTask`."""

    def __init__(self, *, loop: BodyLoop) -> None:
        self._hash = loop.next_hash()
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._hash

    __eq__ = object.__eq__


class BodyTimer(asyncio.TimerHandle):
    """A timer of the body; ``key`` finds it again on replay."""

    __slots__ = ("deadline", "key", "number")

    def __init__(
        self,
        key: str,
        deadline: int,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        loop: BodyLoop,
        context: Context | None,
    ) -> None:
        super().__init__((deadline - loop.epoch) / SECOND, callback, list(args), loop, context)
        self.key = key
        self.deadline = deadline
        self.number = 0

    def fire(self) -> None:
        """Make the callback the loop's next: it must run inside the loop, where it may create tasks."""
        self._loop.make_ready(self)  # type: ignore[attr-defined]  # a BodyTimer's loop is a BodyLoop


class _Inside:
    """See :meth:`BodyLoop.running`. No generator: a large map enters it for each of its items."""

    __slots__ = ("_before", "_loop")

    def __init__(self, loop: BodyLoop) -> None:
        self._loop = loop

    def __enter__(self) -> None:
        self._before = self._loop._enter()

    def __exit__(self, *_: object) -> None:
        self._loop._leave(self._before)


class LoopOwner(Protocol):
    """What a loop needs of whoever owns it."""

    def timer_key(self, delay: int) -> str:
        """A key for a new timer of that delay, unique in its scope."""

    def arm(self, timer: BodyTimer) -> None:
        """A timer was set."""

    def disarm(self, timer: BodyTimer) -> None:
        """A timer was cancelled."""


class BodyLoop(asyncio.AbstractEventLoop):
    """See the module.

    Args:
        owner: is told of timers.
        epoch: the time (microseconds) at which ``loop.time()`` is 0.
        now: the present time (microseconds).
        salt: an odd number peculiar to the run. Without it the tasks numbered 1 of all runs in a process would
            collide in asyncio's own set of tasks.
        name: for error messages and logs.
    """

    def __init__(self, owner: LoopOwner, *, epoch: int, now: int, salt: int, name: str) -> None:
        self.owner = owner
        self.epoch = epoch
        self.now = now
        self.name = name
        self.retired = False
        self.tasks: set[BodyTask] = set()
        self._salt = salt
        self._number = 0
        self._ready: deque[asyncio.Handle] = deque()
        self._generators: WeakSet[AsyncGenerator[Any, Any]] = WeakSet()  # begun and not exhausted
        self._strays: list[AsyncGenerator[Any, Any]] = []  # dropped where they cannot be closed

    # -- for its owner

    @property
    def idle(self) -> bool:
        """Whether nothing is ready to run."""
        return not self._ready

    def drain(self, budget: int) -> int:
        """Run what is ready, at most ``budget`` callbacks; returns what is left of the budget (0: maybe not done)."""
        before, ready = self._enter(), self._ready
        try:
            while ready and budget:
                budget -= 1
                handle = ready.popleft()
                if handle._cancelled:
                    continue
                try:
                    handle._run()
                except (SystemExit, KeyboardInterrupt):
                    # The task that raised it holds it as its exception; a body must not end its worker.
                    logger.debug("a body raised an exit", exc_info=True)
        finally:
            self._leave(before)
        return budget

    def running(self) -> _Inside:
        """Inside, this is the running loop: for code of the body that is called between two drains."""
        return _Inside(self)

    def _enter(self) -> _Before:
        before = events._get_running_loop(), sys.get_asyncgen_hooks(), gc.isenabled()
        events._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=self._generators.add, finalizer=self._finalize)
        gc.disable()  # what the collector frees, and when, differs between processes: the body must not see it
        return before

    @staticmethod
    def _leave(before: _Before) -> None:
        loop, hooks, collecting = before
        if collecting:
            gc.enable()
        sys.set_asyncgen_hooks(*hooks)
        events._set_running_loop(loop)

    def make_ready(self, handle: asyncio.Handle) -> None:
        """Run a handle at the next drain."""
        self._ready.append(handle)

    def next_hash(self) -> int:
        """A number for a new task or future: the same in every process, different between runs."""
        self._number += 1
        return (self._number * self._salt) & _HASH_MASK

    def retire(self, rounds: int = 100) -> bool:
        """Cancel every task until all have ended, ignoring what they do; False if some refuse to end.

        ``finally`` blocks run here, as they do when a process ends in an orderly way.
        """
        self.retired = True
        for _ in range(rounds):
            pending = [task for task in self.tasks if not task.done()]
            if not pending:
                break
            for task in sorted(pending, key=hash):
                task.cancel()
            self.drain(10_000)
        stuck = [task for task in self.tasks if not task.done()]
        self._close_generators()
        self._ready.clear()
        return not stuck

    def _close_generators(self) -> None:
        for generator in [*self._generators, *self._strays]:
            closing = generator.aclose()
            try:
                closing.send(None)
            except StopIteration:
                pass  # it has closed
            except BaseException:  # whatever a generator raises while it closes, its run has left memory
                logger.debug("%s: an async generator raised while closing", self.name, exc_info=True)
        self._generators.clear()
        self._strays.clear()

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        # Called by the interpreter when a half-consumed generator is dropped. Inside a drain that is by reference
        # counting, so at the same point live and on replay. Elsewhere it is the garbage collector, at any moment and in
        # any thread: then the generator is kept, and closed when the run leaves memory.
        self._generators.discard(generator)
        if self.retired or events._get_running_loop() is not self:
            self._strays.append(generator)
        else:
            self.create_task(generator.aclose())

    # -- what asyncio needs

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        if events._get_running_loop() is not self:
            self.check_running()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def check_running(self) -> None:
        """Refuse code that runs on another body's loop.

        Raises:
            UsageError: such code is running.
        """
        running = events._get_running_loop()
        if running is not self and isinstance(running, BodyLoop):
            raise UsageError(
                f"{self.name}: a branch of a map touched a future, lock, event or queue of the body or of another "
                f"branch. One that has finished does not run again on replay: it speaks by its return value only"
            )

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> NoReturn:
        self._refuse("a callback from another thread")

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self._set_timer(_in_micros(delay), callback, args, context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self._set_timer(_in_micros(when - self.time()), callback, args, context)

    def call_until(self, key: str, deadline: int, callback: Callable[..., Any], *args: Any) -> asyncio.TimerHandle:
        """A timer for an instant, under a key of its own."""
        timer = BodyTimer(key, deadline, callback, args, self, None)
        self.owner.arm(timer)
        return timer

    def _set_timer(
        self, delay: int | None, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.TimerHandle:
        if delay is None:  # for ever: a timer that nobody will ever fire
            return BodyTimer("", self.epoch, callback, args, self, context)
        delay = max(0, delay)
        if delay == 0:  # due already: an ordinary callback, which writes nothing
            timer = BodyTimer("", self.now, callback, args, self, context)
            self._ready.append(timer)
            return timer
        timer = BodyTimer(self.owner.timer_key(delay), self.now + delay, callback, args, self, context)
        if not self.retired:
            self.owner.arm(timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if isinstance(handle, BodyTimer) and handle.key:
            self.owner.disarm(handle)

    def time(self) -> float:
        return (self.now - self.epoch) / SECOND

    def own_future(self) -> asyncio.Future[Any]:
        """A future for code of Holdfast's own, which awaits it at once and never shows it to the body.

        It is asyncio's future itself, which a task awaits without a call into Python (1.5 µs less than a BodyFuture).
        """
        self._number += 1  # as any other: the numbers of those that follow are part of what was recorded
        return asyncio.Future(loop=self)

    def create_future(self) -> BodyFuture:
        return BodyFuture(loop=self)

    def create_task(self, coro: Any, **options: Any) -> BodyTask:
        task = BodyTask(coro, loop=self, **options)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.retired

    def is_closed(self) -> bool:
        return self.retired

    def get_exception_handler(self) -> None:
        return None

    def get_task_factory(self) -> None:  # asked by anyio's task groups
        return None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.retired:
            error = context.get("exception")
            # in the codec's words, which leave out what clients among its arguments say of themselves
            told = "" if error is None else f":\n{codec.failure_of(error).traceback_text}"
            logger.warning("%s: %s%s", self.name, context.get("message"), told)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)

    async def shutdown_asyncgens(self) -> None:
        self._close_generators()

    def _refuse(self, what: str) -> NoReturn:
        raise EffectInBody(f"{self.name}: {what} from an agent's body: it would not replay. Wrap it in ctx.step")


def _in_micros(seconds: float) -> int | None:
    """A delay in microseconds; None for an infinite one."""
    if seconds == math.inf:
        return None
    if not seconds < _LONGEST_DELAY_S:
        raise BadOption(f"a delay of {seconds!r} s: write math.inf to wait for ever")
    return round(seconds * SECOND)


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(self: BodyLoop, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse(f"loop.{name}()")

    refuse.__name__ = name
    return refuse


for _name in (
    "run_forever run_until_complete stop close shutdown_default_executor run_in_executor "
    "set_default_executor getaddrinfo getnameinfo create_connection create_server sendfile start_tls "
    "create_unix_connection create_unix_server connect_accepted_socket create_datagram_endpoint "
    "connect_read_pipe connect_write_pipe subprocess_shell subprocess_exec add_reader remove_reader "
    "add_writer remove_writer sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall "
    "sock_sendto sock_connect sock_accept sock_sendfile add_signal_handler remove_signal_handler "
    "set_task_factory set_exception_handler set_debug"
).split():
    setattr(BodyLoop, _name, _refusing(_name))
