"""Holding recordings against the code of an app."""

from __future__ import annotations

from typing import Any

from holdfast.durable.catalog import Agent, Catalog
from holdfast.durable.recording import Recording
from holdfast.durable.replay import PATIENCE, Divergence, divergence
from holdfast.errors import UnknownAgent


def hold(catalog: Catalog, recording: Recording, deps: Any, *, seconds: float = PATIENCE) -> Divergence | None:
    """Replay a recording against a catalog's code, exactly: None if the code does again what is recorded.

    Args:
        catalog: of the app.
        recording: a run and its history.
        deps: what the body finds in ``ctx.deps``.
        seconds: how long the body may take.

    Raises:
        UnknownAgent: the catalog lacks the recorded version of the agent; the message names the app that has it.
    """
    agent = _agent(catalog, recording)
    return divergence(agent, recording.run, recording.history, recording.loader, deps, exact=True, seconds=seconds)


def _agent(catalog: Catalog, recording: Recording) -> Agent[Any, Any]:
    run = recording.run
    try:
        return catalog.agent(run.agent, run.version)
    except UnknownAgent as error:
        whose = f"run {run.id} of app {recording.app!r}" if recording.app else f"run {run.id}"
        raise UnknownAgent(f"{whose} ({recording.source}): {error}") from None
