"""Holding a journal file against the code, in a test."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from holdfast.durable.absent import stand_in
from holdfast.durable.holding import hold
from holdfast.durable.recording import Recording, read_recording
from holdfast.durable.replay import PATIENCE, Divergence
from holdfast.runtime import App
from holdfast.testing.rig import Diverged


def replay(
    app: App[Any],
    recording: str | os.PathLike[str] | Recording,
    /,
    *,
    lifespan: bool = False,
    seconds: float = PATIENCE,
) -> None:
    """Hold a recorded run against the app's present code; no step, tool or child is executed.

    A run that has ended must come to the same end by the same calls; one that has not must fit as far as it is
    recorded.

    Args:
        app: the app that defines the run's agent.
        recording: a journal file, as ``holdfast runs export`` writes it, or what
            :func:`holdfast.durable.recording.read_recording` made of one.
        lifespan: enter the app's lifespan. By default the body finds something in ``ctx.deps`` that it can only hand to
            its steps. Not possible inside a running event loop.
        seconds: how long the body may take.

    Raises:
        Diverged: the code does something else than is recorded; the message says where.
        BadRecording: the file cannot be read.
        UnknownAgent: the app does not define the recorded version of the agent.

    Example:
        >>> def test_journals(app):
        ...     for journal in Path("journals").glob("*.jsonl"):
        ...         replay(app, journal)
    """
    one = recording if isinstance(recording, Recording) else read_recording(recording)
    if lifespan:
        found = asyncio.run(_alive(app, one, seconds))
    else:
        found = hold(app.catalog, one, stand_in(app.lifespan()), seconds=seconds)
    if found is not None:
        raise Diverged(_told(one, found))


async def _alive(app: App[Any], recording: Recording, seconds: float) -> Divergence | None:
    async with app.lifespan() as deps:
        return hold(app.catalog, recording, deps, seconds=seconds)


def _told(recording: Recording, found: Divergence) -> str:
    place = f", at entry {found.entry}" if found.entry is not None else ""
    more = [
        f"{name}: {value}"
        for name, value in (("recorded", found.recorded), ("asked", found.asked))
        if value and value not in found.what
    ]
    return "\n".join((f"run {found.run_id} ({recording.source}), replayed{place}: {found.what}", *more))
