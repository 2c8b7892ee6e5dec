"""Time, identifiers and randomness: the only module that reads the wall clock.

Times are integers, microseconds since 1970-01-01 UTC; durations are integers, microseconds.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from holdfast.errors import BadOption

SECOND = 1_000_000
_LONGEST_TIMER_S = 86_400.0  # event loops refuse timers of many years; a longer one is armed again
_UNITS = {"ms": 1_000, "s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": 86_400 * SECOND, "w": 604_800 * SECOND}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

Duration = timedelta | str


def micros(duration: Duration) -> int:
    """A duration in microseconds.

    Accepts a ``timedelta`` or text of numbers with units ``ms s m h d w``: ``"90s"``, ``"1h30m"``, ``"2d"``.

    Raises:
        BadOption: it is neither, or negative.

    Example:
        >>> micros("1h30m")
        5400000000
    """
    if isinstance(duration, timedelta):
        value = duration // timedelta(microseconds=1)
    elif isinstance(duration, str) and _DURATION.sub("", duration) == "" and duration:
        value = sum(round(float(number) * _UNITS[unit]) for number, unit in _DURATION.findall(duration))
    else:
        raise BadOption(f"{duration!r} is not a duration: write a timedelta, or text such as '90s', '1h30m', '2d'")
    if value < 0:
        raise BadOption(f"{duration!r} is negative; a duration is zero or more")
    return value


def to_datetime(at: int) -> datetime:
    """The aware UTC datetime of a time in microseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)


def from_datetime(when: datetime) -> int:
    """The time in microseconds of an aware datetime.

    Raises:
        BadOption: the datetime has no time zone.
    """
    if when.tzinfo is None:
        raise BadOption(f"{when!r} has no time zone: write datetime.now(UTC), or .replace(tzinfo=…)")
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def new_id(now: int) -> str:
    """A fresh identifier of 26 characters that sorts by its creation time (ULID: 48 bits of ms, 80 random)."""
    number = ((now // 1000) & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def new_secret() -> str:
    """A fresh secret of 43 characters that fit into a URL: 256 random bits."""
    return secrets.token_urlsafe(32)


def new_key() -> bytes:
    """Fresh key material: 256 random bits."""
    return secrets.token_bytes(32)


def boot_seconds() -> float:
    """Seconds since boot, counting suspended time: a lease's local deadline must pass while a laptop sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def jitter() -> float:
    """A random factor in [0.5, 1.5) that spreads retries."""
    return 0.5 + int.from_bytes(os.urandom(4), "big") / 2**32


class Timer(Protocol):
    """A pending call of :meth:`Clock.call_at`."""

    def cancel(self) -> None:
        """Forget the call; harmless after it happened."""


class Clock(Protocol):
    """The time of timers and of ``ctx.now()``; injected, so that tests can skip it."""

    def now(self) -> int:
        """The present time in microseconds."""

    def call_at(self, when: int, callback: Callable[[], None]) -> Timer:
        """Call back on the running event loop at ``when`` (microseconds), or soon if that has passed."""


class _SystemTimer:
    def __init__(self, clock: SystemClock, when: int, callback: Callable[[], None]) -> None:
        self._clock, self._when, self._callback = clock, when, callback
        self._loop = asyncio.get_running_loop()
        self._arm()

    def _arm(self) -> None:
        remaining = max(0.0, (self._when - self._clock.now()) / SECOND)
        self._handle = self._loop.call_later(min(remaining, _LONGEST_TIMER_S), self._fire)

    def _fire(self) -> None:
        if self._clock.now() < self._when:
            self._arm()
        else:
            self._callback()

    def cancel(self) -> None:
        self._handle.cancel()


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def call_at(self, when: int, callback: Callable[[], None]) -> Timer:
        return _SystemTimer(self, when, callback)


class SharedClock(SystemClock):
    """The machine's clock, turned as far as it is off from one that many machines go by.

    Attributes:
        turned: microseconds that this machine's clock is behind that one (negative: ahead).
    """

    def __init__(self) -> None:
        self.turned = 0

    def now(self) -> int:
        return super().now() + self.turned

    def turn(self, off: int) -> None:
        """Put it forward by so many microseconds (negative: back)."""
        self.turned += off


class _VirtualTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """A clock that moves only when told to: days pass in no time."""

    def __init__(self, start: int | None = None) -> None:
        self._now = time.time_ns() // 1000 if start is None else start
        self._pending: list[tuple[int, int, _VirtualTimer]] = []
        self._numbers = itertools.count()

    def now(self) -> int:
        return self._now

    def call_at(self, when: int, callback: Callable[[], None]) -> Timer:
        timer = _VirtualTimer(callback)
        if when <= self._now:
            asyncio.get_running_loop().call_soon(self._run, timer)
        else:
            heapq.heappush(self._pending, (when, next(self._numbers), timer))
        return timer

    def next_due(self) -> int | None:
        """When the earliest pending call is due, if any is pending."""
        while self._pending and self._pending[0][2].callback is None:
            heapq.heappop(self._pending)
        return self._pending[0][0] if self._pending else None

    def set(self, when: int) -> None:
        """Move to ``when`` (never backwards) and make every call that is due."""
        self._now = max(self._now, when)
        while (due := self.next_due()) is not None and due <= self._now:
            self._run(heapq.heappop(self._pending)[2])

    @staticmethod
    def _run(timer: _VirtualTimer) -> None:
        callback, timer.callback = timer.callback, None
        if callback is not None:
            callback()
