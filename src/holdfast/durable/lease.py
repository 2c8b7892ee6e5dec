"""A worker's lease: renewed from a thread of its own, so that a busy loop does not lose it, and a dead one does."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable

from holdfast.clock import boot_seconds
from holdfast.errors import StoreError
from holdfast.settings import Settings
from holdfast.store.base import LeaseKeeper

logger = logging.getLogger("holdfast.lease")

EXIT_SILENT = 70  # EX_SOFTWARE of sysexits.h


class Lease:
    """Renews a lease and watches the loop that it is renewed for.

    Args:
        keeper: renews it; used from this object's thread only.
        settings: ``lease``, ``stall`` and ``silent``.
        granted: when it was last known to be granted (:func:`~holdfast.clock.boot_seconds`).
        lost: called on the loop when the lease has ended.
        doing: what the loop is running just now, for the log.
    """

    def __init__(
        self,
        keeper: LeaseKeeper,
        settings: Settings,
        granted: float,
        lost: Callable[[], None],
        doing: Callable[[], str],
    ) -> None:
        self._keeper = keeper
        self._settings = settings
        self._deadline = granted + settings.lease
        self._lost = lost
        self._doing = doing
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._beat = boot_seconds()
        self._stalled = False
        self._stop = threading.Event()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="holdfast-lease", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._pulse()
        self._thread.start()

    def held(self) -> bool:
        """Whether the worker may begin effects: by its own clock the lease has not passed."""
        return boot_seconds() < self._deadline

    def stop(self) -> None:
        """Stop renewing. Blocks for as long as a renewal takes; a worker that joins again may be stopped meanwhile."""
        self._stop.set()
        self._heart.cancel()
        self._thread.join()
        with self._closing:
            if not self._closed:
                self._keeper.close()
            self._closed = True

    def _pulse(self) -> None:
        self._beat = boot_seconds()
        self._heart = self._loop.call_later(min(1.0, self._settings.stall / 4), self._pulse)

    def _run(self) -> None:
        renewed = boot_seconds()
        tick = min(self._settings.lease / 3, self._settings.stall / 2)
        while not self._stop.wait(tick):
            self._watch_loop()
            if boot_seconds() - renewed >= self._settings.lease / 3 - 0.001:
                renewed = boot_seconds()
                if not self._renew(renewed):
                    return

    def _renew(self, began: float) -> bool:
        try:
            granted = self._keeper.renew()
        except StoreError as error:
            logger.warning(
                "the lease could not be renewed (%s); it ends in %.1f s", error, self._deadline - boot_seconds()
            )
            granted = self.held()
        except Exception:  # a defect: said, and not silence, in which the worker would hold nothing and not know it
            left = self._deadline - boot_seconds()
            logger.critical("renewing the lease failed; it ends in %.1f s", left, exc_info=True)
            granted = self.held()
        else:
            if granted:
                self._deadline = began + self._settings.lease
        if not granted:
            self._deadline = 0.0
            logger.error("the lease has ended: other workers own this worker's runs now")
            self._loop.call_soon_threadsafe(self._lost)
        return granted

    def _watch_loop(self) -> None:
        silence = boot_seconds() - self._beat
        if silence < self._settings.stall:
            self._stalled = False
            return
        if not self._stalled:
            self._stalled = True
            logger.error(
                "the worker's loop has not turned for %.0f s, busy with %s:\n%s", silence, self._doing(), self._stack()
            )
        elif silence > self._settings.silent:  # and was at the last look: a process that was stopped has just gone on
            logger.critical(
                "the worker's loop has been silent for %.0f s: exiting, so that others take its runs", silence
            )
            logging.shutdown()
            os._exit(EXIT_SILENT)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)
        return "".join(traceback.format_stack(frame)) if frame is not None else "(no stack)"
