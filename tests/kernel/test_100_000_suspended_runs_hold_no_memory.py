"""100,000 suspended runs: no task or coroutine exists for them, and resident memory has grown by 20 MB at most."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = Path(__file__).parent / "suspended.py"
LIMIT_MB = 20


def suspend(count: int, url: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(CHILD), str(count), url],
        capture_output=True,
        text=True,
        timeout=1800,
        env=os.environ | {"PYTHONMALLOC": "malloc"},  # Python's own allocator returns nothing of its blocks
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout)
    print(figures)
    return figures


def check(count: int, url: str) -> None:
    figures = suspend(count, url)
    assert figures["waiting"] == count
    assert figures["tasks"] == figures["coroutines"] == figures["activations"] == 0
    assert figures["grew_mb"] <= LIMIT_MB


def test_10_000_suspended_runs_hold_no_memory(url: str) -> None:
    check(10_000, url)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_100_000_suspended_runs_hold_no_memory(url: str) -> None:
    check(100_000, url)
