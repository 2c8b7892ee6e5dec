"""Resting: when time brings a run that waits back to work, and how long it stays in memory for news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from holdfast.clock import SECOND
from holdfast.durable.alarm import Alarm
from holdfast.durable.core import Core
from holdfast.durable.running import Running
from holdfast.durable.services import Services
from holdfast.records.run import Run


class Resting:
    """The alarm and the lingering of one activation.

    Args:
        run: that rests.
        services: of its worker.
        alarmed: called when the time of a timer, a retry, the deadline or the end of the grace has come.
        over: called when the run has waited long enough to leave memory.
    """

    def __init__(self, run: Run, services: Services, alarmed: Callable[[], None], over: Callable[[], None]) -> None:
        self._run = run
        self._clock = services.clock
        self._settings = services.settings
        self._pressed = services.pressed
        self._alarm = Alarm(services.clock, alarmed)
        self._over = over
        self._linger: asyncio.TimerHandle | None = None

    @property
    def lingers(self) -> bool:
        """Whether it stays only in case there is news soon."""
        return self._linger is not None

    def rest(self, core: Core, running: Running, last_seq: int, *, quiescent: bool) -> bool:
        """Set the alarm, and linger if only the outside can move the run. Whether it had better leave at once."""
        wake_at = self.next_wake(core, running)
        self._alarm.set(wake_at)
        self.stop_lingering()
        if not quiescent or self._is_near(wake_at, last_seq):
            return False
        seconds = self._seconds(last_seq)
        if not seconds or self._pressed():
            return True
        self._linger = asyncio.get_running_loop().call_later(seconds, self._linger_over, core, running, last_seq)
        return False

    def stop(self) -> None:
        """Neither wait nor wake any more."""
        self._alarm.set(None)
        self.stop_lingering()

    def stop_lingering(self) -> None:
        """Stay for nothing but what is known."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def next_wake(self, core: Core, running: Running) -> int | None:
        """When time wakes the run, None if only news does."""
        wake_at = self._run.deadline_at if core.cancelling is None else self.grace_ends(core)
        for when in (core.timers.next_deadline(), running.next_retry()):
            if when is not None and (wake_at is None or when < wake_at):
                wake_at = when
        return wake_at

    def grace_ends(self, core: Core) -> int:
        """Until when a cancelled body may clean up."""
        assert core.cancelling is not None, "asked of a cancelled run"
        return core.cancelling.at + int(self._settings.grace * SECOND)

    def _seconds(self, last_seq: int) -> float:
        """How long to stay in memory for news: longer for runs that are expensive to replay."""
        settings = self._settings
        return settings.linger + settings.linger_per_entry * last_seq if settings.linger else 0.0

    def _is_near(self, wake_at: int | None, last_seq: int) -> bool:
        """Whether time wakes the run so soon that it had better stay."""
        return wake_at is not None and wake_at - self._clock.now() <= self._seconds(last_seq) * SECOND

    def _linger_over(self, core: Core, running: Running, last_seq: int) -> None:
        self._linger = None
        if not self._is_near(self.next_wake(core, running), last_seq):
            self._over()
