"""The timekeeper: machines that share a store share its time, whatever their own clocks say.

Timers, deadlines and rates are times that one machine has written and another reads: a machine whose clock is an hour
ahead would wake the sleeping runs of all the others an hour early.
"""

from __future__ import annotations

import logging

from holdfast.clock import SECOND, Clock, SharedClock, SystemClock, boot_seconds
from holdfast.errors import StoreBusy
from holdfast.store.base import Store

logger = logging.getLogger("holdfast.clock")

_AGAIN_S = 60.0
_WORTH_SAYING = 5 * SECOND


class Timekeeper:
    """A chore of workers: holds a clock to its store's.

    Args:
        store: whose time counts.
        clock: what follows it.
    """

    name = "clock"

    def __init__(self, store: Store, clock: SharedClock) -> None:
        self._store = store
        self._clock = clock
        self._due = 0.0  # by the time since boot, which nobody sets

    async def work(self) -> int | None:
        """Compare them; returns when to do so again.

        Raises:
            StoreError: the store does not answer.
        """
        if boot_seconds() >= self._due:
            await follow(self._store, self._clock)
            self._due = boot_seconds() + _AGAIN_S
        return self._clock.now() + int((self._due - boot_seconds()) * SECOND)


async def follow(store: Store, clock: SharedClock) -> bool:
    """Set a clock by the store's. False: the store is on this machine, and has no time of its own.

    What the way there takes is not known, so a difference below that is none.

    Raises:
        StoreError: the store does not answer.
    """
    before = clock.now()
    theirs = await store.time()
    if theirs is None:
        return False
    after = clock.now()
    off = theirs - (before + after) // 2
    if abs(off) > after - before:
        clock.turn(off)
        if abs(off) > _WORTH_SAYING:
            logger.warning(
                "this machine's clock is %.1f s %s that of %s, which is gone by", abs(clock.turned) / SECOND,
                "behind" if clock.turned > 0 else "ahead of", store.url,
            )  # fmt: skip
    return True


async def clock_of(store: Store) -> Clock:
    """The clock for what is done with a store: this machine's, held to the store's where that is elsewhere."""
    clock = SharedClock()
    try:
        return clock if await follow(store, clock) else SystemClock()
    except StoreBusy as trouble:
        logger.warning("it is not known what time it is at the store (%s): this machine's clock counts", trouble)
        return clock
