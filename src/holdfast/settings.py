"""Limits and intervals, with their defaults.

Durations are seconds here; everything else in Holdfast counts microseconds.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Any

from holdfast.errors import BadOption

MAX_DELTA = 32 * 2**20
"""Bytes that one delta may hold."""
WARN_ENTRIES = 10_000
"""A journal of so many entries is worth a warning: the body should go on with ``ctx.continue_as``."""
MAX_ENTRIES = 100_000
"""A journal of so many entries stops its run."""

MAX_WORKSPACE = 256 * 2**20
"""Bytes that the files of one workspace may have together."""
MAX_FILE = 64 * 2**20
"""Bytes that one of them may have."""
MAX_FILES = 10_000
"""How many files, links and folders a workspace may hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a worker behaves.

    Attributes:
        concurrency: how many runs may be in memory at once.
        threads: how many sync steps may run at once.
        lease: seconds after which a worker that has not renewed its lease has lost its runs.
        poll: seconds between looks at the store when no notification comes.
        linger: seconds for which a quiescent run stays in memory, in case news comes soon.
        linger_per_entry: seconds added to ``linger`` for each journal entry: long journals cost more to replay.
        grace: seconds that a cancelled run has to clean up.
        stop_grace: seconds that steps at work have to end when the worker is told to stop; then all runs are handed
            back.
        turn: how many callbacks of bodies run before the loop serves something else.
        stall: seconds after which a loop that does not turn is named in the log with its stack.
        silent: seconds after which it is given up: the process stops renewing its lease and exits.
        prune: seconds between two looks for runs that the app's retention rules no longer keep.
        workspaces: the folder in which runs have their workspaces while they are in memory; by default
            ``holdfast-<uid>`` in the system's folder for temporary files.
        keep_workspaces: leave a workspace's folder where it is when its run leaves memory, to look into it.
        census: seconds between two counts of the store's runs for the metrics; 0: they are not counted.
    """

    concurrency: int = 1000
    threads: int = 32
    lease: float = 15.0
    poll: float = 1.0
    linger: float = 0.25
    linger_per_entry: float = 0.00005
    grace: float = 30.0
    stop_grace: float = 10.0
    turn: int = 2000
    stall: float = 5.0
    silent: float = 300.0
    prune: float = 600.0
    workspaces: str = ""
    keep_workspaces: bool = False
    census: float = 0.0

    @classmethod
    def from_environment(cls) -> Settings:
        """The defaults, each overridden by its variable: ``HOLDFAST_CONCURRENCY``, ``HOLDFAST_LEASE`` ….

        Raises:
            BadOption: a variable that is to be a number is none, or negative.
        """
        found = {field.name: os.environ.get(f"HOLDFAST_{field.name.upper()}") for field in fields(cls)}
        return cls(**{name: _value(name, text) for name, text in found.items() if text})


def _value(name: str, text: str) -> Any:
    default = getattr(Settings(), name)
    if isinstance(default, str):
        return text
    return type(default)(_number(name, text, whole=isinstance(default, int)))


def _number(name: str, text: str, *, whole: bool) -> float:
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = -1
    if value < 0:
        raise BadOption(f"HOLDFAST_{name.upper()}={text!r}: write a number, {'whole, ' if whole else ''}zero or more")
    return value
