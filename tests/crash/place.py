"""Where the processes of one test meet: the store, the ledger, and the list of accepted runs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from holdfast.store.base import Store
from holdfast.store.sqlite.turnstile import Turnstile
from tests.contract.making import end_lease
from tests.crash.ledger import Ledger
from tests.crash.processes import Process
from tests.crash.records import ask
from tests.postgres import schemas
from tests.waiting import until


class Place:
    """A folder with a ledger and a list of what was accepted, and a store: a file there, or a schema of a server."""

    def __init__(self, folder: Path, kind: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.kind = kind
        self.store = f"sqlite:///{folder}/runs.db" if kind == "sqlite" else schemas.take()
        self.ledger = Ledger(folder / "ledger")
        self._accepted = folder / "accepted"
        self._accepted.touch()

    def clear(self) -> None:
        """The store is needed no more; a file goes with the folder."""
        if self.kind != "sqlite":
            schemas.give_back(self.store)

    def nobody_writes(self) -> bool:
        """Whether nobody would be held up by a process that is stopped just now."""
        if self.kind != "sqlite":
            return True  # no transaction waits for the process that sent it
        turnstile = Turnstile(self.folder / "runs.db-sidecar")
        try:
            return turnstile.try_acquire()
        finally:
            turnstile.close()  # which also gives up the turn

    def bury(self, dead: Process) -> None:
        """Let the lease of a process that was killed be over, as it is in time.

        So no lease has to be so short that a worker which only stands still for a moment loses it.
        """

        async def question(store: Store) -> None:
            for worker in await store.workers():
                if worker.pid == dead.pid:
                    end_lease(store, worker.id)

        ask(self.store, question)

    def accept(self, key: str, run_id: str) -> None:
        """Note that start() has returned; said by the process that called it."""
        file = os.open(self._accepted, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, f"{key} {run_id}\n".encode())
        finally:
            os.close(file)

    @property
    def accepted(self) -> dict[str, str]:
        """Run ids by key. A key that was accepted twice got the same run both times."""
        ids: dict[str, str] = {}
        for line in self._accepted.read_text().splitlines():
            key, run_id = line.split()
            assert ids.setdefault(key, run_id) == run_id, f"key {key} started two runs: {ids[key]} and {run_id}"
        return ids

    def note(self, said: Any) -> None:
        """Leave something for the test to read: at once and whole, whenever the process is killed."""
        draft = self.folder / f"note-{os.getpid()}"
        draft.write_text(json.dumps(said))
        draft.replace(self.folder / "note")

    @property
    def noted(self) -> Any:
        """What was left; None if nothing was."""
        note = self.folder / "note"
        return json.loads(note.read_text()) if note.exists() else None


def stop_outside_of_transactions(process: Process, place: Place) -> None:
    """Whoever is stopped while it writes holds up everybody, as a database does; that is another matter."""
    while True:
        process.send(signal.SIGSTOP)
        until(lambda: process.stopped, "it is stopped")
        if place.nobody_writes():
            return
        process.send(signal.SIGCONT)
