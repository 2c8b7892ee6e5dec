"""The turnstile: whoever waits is next, and nobody barges in."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

from holdfast.store.sqlite.turnstile import Turnstile


def somebody_waits(folder: Path) -> bool:
    """Whether the place between the two locks is taken."""
    probe = os.open(folder / "queue", os.O_RDWR)
    try:
        fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(probe)
    return False


def test_who_has_just_had_a_turn_cannot_have_another_while_somebody_waits(tmp_path: Path) -> None:
    first, second = Turnstile(tmp_path), Turnstile(tmp_path)
    for _ in range(20):
        first.acquire()
        has_turn, may_go = threading.Event(), threading.Event()

        def wait_in_line(has_turn: threading.Event = has_turn, may_go: threading.Event = may_go) -> None:
            second.acquire()
            has_turn.set()
            may_go.wait(60)
            second.release()

        waiting = threading.Thread(target=wait_in_line, daemon=True)
        waiting.start()
        give_up_at = time.monotonic() + 60
        while not somebody_waits(tmp_path) and time.monotonic() < give_up_at:
            os.sched_yield()
        first.release()
        assert not first.try_acquire()
        assert has_turn.wait(60)
        may_go.set()
        waiting.join()
    assert first.try_acquire() and not second.try_acquire()
    first.close()  # as when a process dies
    assert second.try_acquire()
    second.close()
