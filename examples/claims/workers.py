"""Worker processes for the demo: started, killed and stopped by the process that started them, and no other."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from examples.claims.agent import PACE
from examples.claims.ledger import LEDGER

ROOT: Final = Path(__file__).parents[2]
APP: Final = "examples.claims.agent:app"
COMMAND: Final = (sys.executable, "-m", "holdfast", "worker", APP, "--agents", "process", "--store")
"""Settlements are left to the process that looks into its own memory while they wait: see ``desk.py``."""
LEASE: Final = float(os.environ.get("HOLDFAST_LEASE") or 3.0)
"""Seconds after which a worker that is gone has lost its run; short, so that nobody has to wait long for the second."""
STOP_WITHIN: Final = 20.0


class WorkerDied(RuntimeError):
    """A worker ended although nobody had stopped it. The message holds the end of its log."""


class Worker:
    """One ``holdfast worker`` process."""

    def __init__(self, name: str, store: str, ledger: Path, pace: float) -> None:
        self.name = name
        self._log = ledger.with_name(f"worker-{name}.log")
        environment = os.environ | {LEDGER: str(ledger), PACE: str(pace), "HOLDFAST_LEASE": str(LEASE)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([*COMMAND, store], cwd=ROOT, env=environment, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise ``WorkerDied`` if it is no longer there."""
        if self._process.poll() is not None:
            log = self._log.read_text(errors="replace")[-2_000:]
            raise WorkerDied(f"worker {self.name} ended with exit code {self._process.returncode}:\n{log}")

    async def kill(self) -> None:
        """Take its life at once (SIGKILL): it has no chance to clean up."""
        self._process.kill()
        await asyncio.to_thread(self._process.wait)

    async def stop(self) -> None:
        """Ask it to go (SIGTERM), and make sure that it does."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, STOP_WITHIN)
        except subprocess.TimeoutExpired:
            await self.kill()
