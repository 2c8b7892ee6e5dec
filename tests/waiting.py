"""Waiting for what another process or the machine brings about, and what the kernel says of a process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 120.0  # seconds: a machine may be very busy, and nothing that works waits for so long


def until(condition: Callable[[], T], what: str, timeout: float = PATIENCE) -> T:
    """Wait for a condition to be true, and return what it said."""
    began = time.monotonic()
    deadline = began + timeout
    while not (said := condition()):
        now = time.monotonic()
        assert now < deadline, f"after {timeout:g} s still waiting until {what}"
        # Between two looks at a condition, not instead of one; as long as a look takes, which may be that of a whole
        # store: what is waited for needs the processor too.
        time.sleep(max(0.005, now - began))
        began = time.monotonic()
    return said


def state_of(process: Path) -> str:
    """What a process or thread does, by its folder in /proc: T is stopped, Z and X are dead. Empty if there is none."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
