"""What is told of runs and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

MAX_TOLD = 60_000
"""Bytes that can be told at once."""


class Ears(Protocol):
    """Hears what is told of one run, from the moment it is made."""

    async def hear(self, timeout: float) -> list[bytes]:
        """What was told since the last call, in order; waits up to ``timeout`` seconds for something."""

    def close(self) -> None:
        """Hear no more; idempotent."""


class Telling(Protocol):
    """What is told of runs while they are at work: it reaches whoever listens just then, and is kept nowhere."""

    def tell(self, run_id: str, data: Callable[[], bytes]) -> None:
        """Tell those who listen, in whatever process. At once, from any thread; never raises, and may be lost.

        Args:
            run_id: of the run it is about.
            data: gives at most :data:`MAX_TOLD` bytes; called only if somebody listens, or may. It must not raise.
        """

    def ears(self, run_id: str) -> Ears:
        """What hears whatever is told of a run from now on."""
