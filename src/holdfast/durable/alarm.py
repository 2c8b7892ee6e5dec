"""An alarm: at most one pending call of the clock, moved when its time changes."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.clock import Clock, Timer


class Alarm:
    """Calls back at the time that was set last.

    Args:
        clock: what wakes it.
        ring: what it calls.
    """

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._when: int | None = None
        self._timer: Timer | None = None

    def set(self, when: int | None) -> None:
        """Ring at ``when`` (microseconds) instead of whenever it was to; None: not at all."""
        if when == self._when:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._when = when
        self._timer = None if when is None else self._clock.call_at(when, self._rung)

    def _rung(self) -> None:
        self._when = self._timer = None
        self._ring()
