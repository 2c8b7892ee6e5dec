"""Patience: whoever waits for a run waits for its store too, while that is away for a moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from holdfast.clock import jitter
from holdfast.errors import StoreBusy
from holdfast.store.base import Store, Watch

logger = logging.getLogger("holdfast.client")

T = TypeVar("T")

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0  # seconds


class Patience:
    """The patience of one who waits.

    Args:
        what: is waited for, in words, for the log; or what says so then.

    Attributes:
        trouble: what the store says while it is away, None while it answers.
    """

    def __init__(self, what: str | Callable[[], str]) -> None:
        self.trouble: StoreBusy | None = None
        self._what = what

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask the store something that changes nothing, until it answers. The log says once that it does not.

        Raises:
            StoreError: it cannot answer at all: a wrong password, tables that were dropped.
        """
        wait = _FIRST_WAIT
        while True:
            try:
                answer = await question()
            except StoreBusy as trouble:
                self._bear(trouble)
            else:
                self._take_heart()
                return answer
            await asyncio.sleep(wait * jitter())
            wait = min(2 * wait, _LONGEST_WAIT)

    async def answers(
        self, store: Store, question: Callable[[], Awaitable[T]], look_again: float
    ) -> AsyncGenerator[T, None]:
        """What a question answers now, and again after each change of the store. Close it, or the watch stays open.

        Args:
            store: that is watched.
            question: changes nothing.
            look_again: seconds until it is asked again though nothing has changed.

        Raises:
            StoreError: as :meth:`ask`.
        """

        async def begin() -> Watch:
            return store.watch()

        watch = await self.ask(begin)
        try:
            while True:
                yield await self.ask(question)
                await watch.wait(look_again)
        finally:
            watch.close()

    def _bear(self, trouble: StoreBusy) -> None:
        if self.trouble is None:
            logger.warning("waiting for %s, though the store does not answer (%s)", self._said(), trouble)
        self.trouble = trouble

    def _take_heart(self) -> None:
        if self.trouble is not None:
            logger.info("the store answers again; waiting for %s", self._said())
        self.trouble = None

    def _said(self) -> str:
        return self._what if isinstance(self._what, str) else self._what()
