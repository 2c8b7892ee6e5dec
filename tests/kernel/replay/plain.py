"""The same bodies under asyncio itself, on a loop that skips time: what they are to observe, by another way."""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from holdfast import StepFailed, codec
from holdfast.clock import SECOND, to_datetime
from tests.kernel.replay.world import START, World


class SkippingSelector(selectors.SelectSelector):
    """Waits for nothing: moves the time of its loop instead."""

    loop: SkippingLoop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing is due, and nobody moves it"
        self.loop.now += max(0.0, timeout)
        return super().select(0)


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop of asyncio's own whose time is that of the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = SkippingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


class PlainContext:
    """As much of a context as a body needs that makes steps and looks at the time."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def now(self) -> datetime:
        return to_datetime(START + round(asyncio.get_running_loop().time() * SECOND))

    def step(self, fn: Callable[..., Any], *args: Any) -> Coroutine[Any, Any, Any]:
        self._counts[fn.__qualname__] += 1
        return self._step(f"{fn.__qualname__}#{self._counts[fn.__qualname__]}", fn, args)

    async def sleep_until(self, when: datetime) -> None:
        await asyncio.sleep((when - self.now()).total_seconds())

    async def _step(self, key: str, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        try:
            return await fn(*args)
        except Exception as error:
            failed = codec.Failed.unpack(codec.failure_of(error).pack())
            raise StepFailed(key, failed.type_name, failed.message, "") from None


async def _perform(seconds: float) -> int:
    await asyncio.sleep(seconds)
    return 1


def plainly(body: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
    """What a body returns under asyncio."""
    World.current = SimpleNamespace(stage=SimpleNamespace(perform=_perform))  # type: ignore[assignment]  # all that steps need
    loop = SkippingLoop()
    try:
        return loop.run_until_complete(body(PlainContext(), *args))
    finally:
        loop.run_until_complete(_cancel_all(asyncio.all_tasks(loop)))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _cancel_all(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
