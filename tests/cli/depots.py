"""A folder with a store of :mod:`tests.cli.depot`, in which runs failed, ended, and wait; no worker is alive."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from holdfast.records.run import Status
from tests.cli import depot
from tests.cli.shell import Said, Shell


@dataclass(frozen=True, kw_only=True, slots=True)
class Depot:
    """The folder, and ids of its runs; those kept newest first, as lists have them."""

    shell: Shell
    failed: list[str]
    shipped: str
    kept: list[str]

    def __call__(self, *arguments: str, **variables: str) -> Said:
        return self.shell(*arguments, **variables)

    def look(self, run_id: str) -> Any:
        """A run as ``runs show --json`` shows it."""
        return self.shell.inside("runs", "show", run_id, "--json").json

    def statuses(self, run_ids: list[str]) -> list[str]:
        """How runs stand."""
        return [self.look(run_id)["status"] for run_id in run_ids]

    def ids(self, *query: str) -> list[str]:
        """Ids of the runs that ``runs list`` finds."""
        return [run["id"] for run in self.shell.inside("runs", "list", "--json", *query).json["runs"]]

    def worker(self) -> Popen[str]:
        """A worker that is ready."""
        process = self.shell.begin("worker", "depot:app")
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        return process

    @property
    def ledger(self) -> list[str]:
        """What steps have noted."""
        return (self.shell.folder / "ledger").read_text().splitlines()


@contextmanager
def depot_in(folder: Path, kind: str = "sqlite") -> Iterator[Depot]:
    """One that is closed at the end."""
    with pytest.MonkeyPatch.context() as patch:
        made = make_depot(folder, patch, kind)
    yield made
    made.shell.close()


def make_depot(folder: Path, patch: pytest.MonkeyPatch, kind: str = "sqlite") -> Depot:
    """Two runs that failed, one that succeeded with a tag, two that wait."""
    shell = Shell(folder, kind, DEPOT=str(folder))
    shutil.copy(Path(__file__).with_name("depot.py"), folder)
    patch.setattr(depot, "FOLDER", folder)
    return asyncio.run(_live(shell))


async def _live(shell: Shell) -> Depot:
    async with depot.app.open(shell.store("depot")) as runtime:
        failed = await runtime.start_all([depot.ship("anvil"), depot.order("bell")], tags=["batch-1"])
        for run in failed:
            await asyncio.gather(run.result(), return_exceptions=True)
        (shell.folder / "rates").touch()
        shipped = await runtime.start(depot.ship("clock"), key="monday", tags=["batch-1", "vip"])
        await shipped.result()
        kept = await runtime.start_all([depot.keep("door"), depot.keep("egg")])
        for run in kept:
            await runtime.wait_until(run.id, lambda record: record.status is Status.WAITING)
    waiting = sorted((run.id for run in kept), reverse=True)
    return Depot(shell=shell, failed=[run.id for run in failed], shipped=shipped.id, kept=waiting)
