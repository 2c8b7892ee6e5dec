"""At a terminal a verb that works on a query asks, and takes no for an answer."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.depots import Depot, depot_in
from tests.cli.shell import COMMAND, WITHIN

INTERRUPTED = 130


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    with depot_in(tmp_path) as depot:
        yield depot


def answered(depot: Depot, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a pseudo-terminal and answer its question; its exit code and what it wrote."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        (*COMMAND, *arguments), cwd=depot.shell.folder, env=depot.shell.environment, stdin=its, stdout=its, stderr=its
    )  # fmt: skip
    os.close(its)
    written = b""
    try:
        while b"[y/N]" not in written:
            written += os.read(ours, 4096)
        os.write(ours, f"{answer}\n".encode())
        while part := os.read(ours, 4096):
            written += part
    except OSError:  # Linux says so when the other end is closed
        pass
    finally:
        os.close(ours)
    return process.wait(WITHIN), written.decode()


def test_runs_are_deleted_if_somebody_says_yes(depot: Depot) -> None:
    code, said = answered(depot, "n", "runs", "delete", "--status", "failed")
    assert code == INTERRUPTED
    assert "2 runs match: 2 failed. Go on? [y/N]" in said
    assert "nothing was done" in said
    assert depot.statuses(depot.failed) == ["failed", "failed"]
    code, said = answered(depot, "y", "runs", "delete", "--status", "failed")
    assert code == 0
    assert "2 runs are deleted" in said
    assert len(depot.ids()) == 3


def test_so_it_is_with_prune(depot: Depot) -> None:
    code, said = answered(depot, "", "prune", "--count", "0")
    assert code == INTERRUPTED
    assert "3 runs, with their descendants, need not be kept. Go on? [y/N]" in said
    assert len(depot.ids()) == 5
