"""Telling events: from a step, while it is at work, to whoever watches its run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import count
from typing import Any

from holdfast.durable.effects import StepInfo, step_or_none
from holdfast.durable.patience import Patience
from holdfast.errors import NotInRun
from holdfast.records.event import RunEvent
from holdfast.records.run import Status
from holdfast.store.base import MAX_TOLD, Ears, Store

logger = logging.getLogger("holdfast.step")

_LOOK_AGAIN = 60.0  # seconds; news of the run come by themselves
_LAST_WORDS = 0.25  # seconds: what is told may come a little later than the news that the run has ended


class Teller:
    """Tells the events of one attempt of a step; may be used from any thread."""

    def __init__(self, step: StepInfo) -> None:
        self._step = step
        self._numbers = count(1)
        self._said = False  # that something cannot be told

    def tell(self, kind: str, data: Any = None) -> None:
        """Tell those who watch the run, if there are any. Never raises; what they miss is lost.

        Args:
            kind: what is told, a word.
            data: what is told of it; JSON, or a function that makes it, called only if somebody listens.
        """
        step, number = self._step, next(self._numbers)
        if step.tell is None:
            return
        event = RunEvent(run=step.run, step=step.step, attempt=step.attempt, number=number, kind=kind)
        step.tell(step.run, lambda: self._packed(event, data))

    def _packed(self, event: RunEvent, data: Any) -> bytes:
        """The event with its data; without, if that cannot be told: the step has more to do than to be watched."""
        try:
            packed = replace(event, data=data() if callable(data) else data).pack()
        except Exception as error:
            if not self._said:
                self._said = True
                logger.warning("step %s: event %s is told without its data: %s", event.step, event.kind, error)
            return event.pack()
        return packed if len(packed) <= MAX_TOLD else event.pack()


def teller() -> Teller:
    """What tells the events of the step that is running.

    Raises:
        NotInRun: the caller is not a step's function.

    Example:
        >>> async def download(url: str) -> str:
        ...     said = teller()
        ...     said.tell("progress", {"percent": 50})
        ...     return url
    """
    step = step_or_none()
    if step is None:
        raise NotInRun("teller() outside a step: call it in the function that ctx.step runs")
    return Teller(step)


async def heard(store: Store, run_id: str, ears: Ears) -> AsyncIterator[RunEvent]:
    """What is heard of a run until it ends or needs a person; while the store is away, nothing."""
    over = asyncio.create_task(_until_over(store, run_id))
    try:
        while not over.done():
            hearing = asyncio.create_task(ears.hear(_LOOK_AGAIN))
            try:
                await asyncio.wait({hearing, over}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                hearing.cancel()  # it takes what came only as it returns: nothing is lost
            await asyncio.wait({hearing})
            for event in _of(run_id, [] if hearing.cancelled() else hearing.result()):
                yield event
        over.result()
        while told := await ears.hear(_LAST_WORDS):  # what was told before the end
            for event in _of(run_id, told):
                yield event
    finally:
        over.cancel()
        ears.close()


def _of(run_id: str, told: Sequence[bytes]) -> Iterator[RunEvent]:
    for data in told:
        if (event := RunEvent.unpack(data)) is not None and event.run == run_id:
            yield event


async def _until_over(store: Store, run_id: str) -> None:
    patience = Patience(f"events of run {run_id}")
    async with aclosing(patience.answers(store, lambda: _over(store, run_id), _LOOK_AGAIN)) as answers:
        async for over in answers:
            if over:
                return


async def _over(store: Store, run_id: str) -> bool:
    run = await store.get(run_id)
    return run is None or run.status.ended or run.status in (Status.BLOCKED, Status.PAUSED)
