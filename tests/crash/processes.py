"""Processes that tests kill: forked from this one, which has everything imported, so that a life costs milliseconds.

Whoever forks has no event loop, no open store and no threads of its own at that moment. Processes speak to the test
through files that they append to, which a kill cannot take back.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import PATIENCE, state_of, until

Main = Callable[[], Coroutine[Any, Any, None]]


class Process:
    """A forked process. Ends with 0 when its main returns, with 1 and a traceback when it raises."""

    def __init__(self, main: Main, name: str) -> None:
        self.name = name
        self.status: int | None = None  # as os.waitpid has it; None while it lives
        parent = os.getpid()
        _wait_for_threads_to_end()
        with warnings.catch_warnings():
            # What other tests have left behind (idle pool threads) holds no lock that a child would need.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            _live(main, parent)

    @property
    def alive(self) -> bool:
        """Whether it has not ended; a stopped one is alive."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is None

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP has reached it, in all of its threads: one may still be on its way out of a system call."""
        return all(state_of(thread) == "T" for thread in Path(f"/proc/{self.pid}/task").iterdir())

    def send(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power failure would, and wait for that."""
        self.send(signal.SIGKILL)
        self.wait()

    def stop_nicely(self) -> None:
        """Ask a worker to leave as it should, and see that it does."""
        self.send(signal.SIGTERM)
        self.wait()
        assert self.ended_well, f"{self.name} ended badly, see its traceback: {self.status}"

    def wait(self, timeout: float = PATIENCE) -> None:
        """Wait for its end."""
        until(lambda: not self.alive, f"{self.name} ends", timeout)

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status is not None and os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    @property
    def ended_well(self) -> bool:
        """Whether its main returned."""
        return self.status == 0


class Nursery:
    """Makes processes and outlives all of them."""

    def __init__(self) -> None:
        self._made: list[Process] = []

    def fork(self, main: Main, name: str = "a process") -> Process:
        """Begin a process that runs ``main`` on an event loop of its own."""
        process = Process(main, name)
        self._made.append(process)
        return process

    def clear(self) -> None:
        """Kill what is left."""
        for process in self._made:
            process.kill()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    """Makes processes; whatever is alive at the end of the test is killed."""
    nursery = Nursery()
    try:
        yield nursery
    finally:
        nursery.clear()


def die() -> None:
    """Kill this process; nothing in it runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()  # the signal is on its way: another thread's return must not look like ours


async def asked_to_stop() -> None:
    """Wait for SIGTERM, or for the test's own process to be gone."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    parent = os.getppid()
    while not asked.is_set() and os.getppid() == parent:
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), 0.5)


def _live(main: Main, parent: int) -> None:
    status = 1
    try:
        if os.getppid() == parent:
            asyncio.run(main())
            status = 0
    except BaseException:
        os.write(2, f"process {os.getpid()}: {traceback.format_exc()}".encode())
    finally:
        os._exit(status)  # the test's own clean-up is none of this process's business


def _wait_for_threads_to_end() -> None:
    deadline = time.monotonic() + 1
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.001)  # threads that have handed over their result end by themselves, and tell nobody
