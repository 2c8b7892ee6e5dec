"""Telling events: from a step, while it is at work, to whoever watches its run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from typing import Any

from holdfast.durable.effects import StepInfo, step_or_none
from holdfast.errors import NotInRun
from holdfast.records.event import RunEvent
from holdfast.records.run import Status
from holdfast.store.base import MAX_TOLD, Ears, Store

_LOOK_AGAIN = 0.25  # seconds: whether the run has ended


class Teller:
    """Tells the events of one attempt of a step; may be used from any thread."""

    def __init__(self, step: StepInfo) -> None:
        self._step = step
        self._numbers = count(1)

    def tell(self, kind: str, data: Any = None) -> None:
        """Tell those who watch the run, if there are any. Never raises for want of them; what they miss is lost.

        Args:
            kind: what is told, a word.
            data: what is told of it; JSON.
        """
        step, number = self._step, next(self._numbers)
        if step.tell is None:
            return
        event = RunEvent(run=step.run, step=step.step, attempt=step.attempt, number=number, kind=kind, data=data)
        packed = event.pack()
        step.tell(step.run, packed if len(packed) <= MAX_TOLD else replace(event, data=None).pack())


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
    """What is heard of a run until it ends or needs a person."""
    try:
        while True:
            told = await ears.hear(_LOOK_AGAIN)
            for data in told:
                if (event := RunEvent.unpack(data)) is not None and event.run == run_id:
                    yield event
            if not told and await _over(store, run_id):
                return
    finally:
        ears.close()


async def _over(store: Store, run_id: str) -> bool:
    run = await store.get(run_id)
    return run is None or run.status.ended or run.status in (Status.BLOCKED, Status.PAUSED)
