"""What the scripts ``with_*.py`` share: arguments in, one line of JSON out. Nothing but the standard library."""

from __future__ import annotations

import json
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

PAYLOAD = "x" * 100


class Work(NamedTuple):
    """So many runs side by side, so many steps each; ``folder`` is where their database goes."""

    folder: Path
    runs: int
    steps: int


def asked() -> Work:
    """What the command line asks for: ``FOLDER RUNS STEPS``.

    From here on SIGTERM ends the script by an exception, so that the servers it has started end with it.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    folder, runs, steps = sys.argv[1:4]
    return Work(Path(folder).resolve(), int(runs), int(steps))


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long ago that is."""
        return time.perf_counter() - self._begun


def tell(work: Work, seconds: float, packages: list[str], note: str, **others: str) -> None:
    """Print the outcome."""
    versions = {package: version(package) for package in packages} | others
    print(json.dumps({"steps_per_second": work.runs * work.steps / seconds, "versions": versions, "note": note}))
