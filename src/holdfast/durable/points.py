"""Named points at which tests may stop the process; nothing happens there otherwise."""

from __future__ import annotations

from collections.abc import Callable

POINTS = (
    "claimed",  # a run is owned, nothing of it has run
    "replayed",  # its journal is delivered, nothing new has begun
    "effect-begins",
    "effect-ended",  # and is not recorded
    "committing",  # a delta is handed to the committer
    "committed",  # it is durable and not delivered
    "suspending",
    "suspended",  # the run's row says waiting, its body is still here
    "ending",  # the body has returned, the run's row does not say so
    "ended",
)

_handler: Callable[[str, str], None] | None = None


def reach(point: str, run_id: str) -> None:
    """Say that a run has come to a point."""
    if _handler is not None:
        _handler(point, run_id)


def on_reach(handler: Callable[[str, str], None] | None) -> None:
    """Call ``handler(point, run_id)`` at every point of every run in this process; None to stop that."""
    global _handler
    _handler = handler
