"""A watchdog: ends code that does not end by itself, also inside one callback."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

_AGAIN = 1.0  # seconds; code that swallows the interruption is interrupted once more


class InterruptedByWatchdog(BaseException):
    """Unwinds what took too long."""


class Watchdog:
    """Interrupts the code inside ``with`` after some time, wherever it is: in a loop, or waiting for a socket.

    Only a process's main thread can be interrupted, and it has one alarm: in another thread, or where somebody else
    (such as pytest-timeout) uses the alarm, it does nothing.

    Args:
        seconds: how long the code may take.

    Attributes:
        place: where the code was when it was interrupted; empty if it was not.
    """

    def __init__(self, seconds: float) -> None:
        self.place = ""
        self._seconds = seconds
        self._armed = False

    def __enter__(self) -> Self:
        free = threading.current_thread() is threading.main_thread() and signal.getitimer(signal.ITIMER_REAL)[0] == 0
        if free and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
            self._armed = True
            signal.signal(signal.SIGALRM, self._interrupt)
            signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._armed:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _interrupt(self, _: int, frame: FrameType | None) -> None:
        if not self._armed:
            return
        if not self.place and frame is not None:
            self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}"
        raise InterruptedByWatchdog
