"""A folder with a store of :mod:`tests.cli.counter`, a worker, and people: at the store, or at a server of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.shell import Said, Shell, until
from tests.postgres import schemas

ANN, BOB, CID, EVE = "ann", "bob", "cid", "eve"


@dataclass(kw_only=True, slots=True)
class Counter:
    """Ann is an adjuster, and so is Bob; Cid is the admin."""

    shell: Shell
    url: str
    tokens: dict[str, str]  # by person; empty at the store itself

    def __call__(self, who: str, *arguments: str) -> Said:
        """A command that a person gives."""
        return self.shell(*arguments, *self._as(who))

    def inside(self, who: str, *arguments: str) -> Said:
        """The same in this process."""
        return self.shell.inside(*arguments, *self._as(who))

    def _as(self, who: str) -> tuple[str, ...]:
        if self.tokens:
            self.shell.variables["HOLDFAST_TOKEN"] = self.tokens[who]
        return () if self.tokens else ("--by", who)

    def direct(self, *arguments: str) -> Said:
        """A command at the store itself."""
        return self.shell.inside(*arguments, "--store", self.url)

    def asks(self, agent: str, *arguments: str) -> Any:
        """What a new run asks."""
        said = self.direct("start", "counter:app", agent, *arguments)
        assert said.code == 0, said
        run = said.out.strip()
        return until(lambda: self.inside(CID, "inbox", "list", "--run", run, "--json").json["approvals"])[0]

    def result(self, case: Any) -> Any:
        """What came of the run that asked, once it has ended."""
        show = lambda: self.direct("runs", "show", case["run_id"], "--json").json  # noqa: E731
        return until(lambda: (seen := show())["status"] == "succeeded" and seen)["result"]

    @property
    def paid(self) -> list[str]:
        """What was really paid."""
        return self.shell.ledger


@contextmanager
def counter_in(folder: Path, kind: str) -> Iterator[Counter]:
    """One whose people stand at a ``sqlite`` or ``postgres`` store, or at a ``server``."""
    shell = Shell(folder)
    shutil.copy(Path(__file__).with_name("counter.py"), folder)
    url = schemas.take() if kind == "postgres" else f"sqlite:///{folder}/counter.db"
    shell.variables["HOLDFAST_STORE"] = url
    try:
        yield _opened(Counter(shell=shell, url=url, tokens={}), kind)
    finally:
        del shell.variables["HOLDFAST_STORE"]
        shell.close()
        if kind == "postgres":
            schemas.give_back(url)


def _opened(counter: Counter, kind: str) -> Counter:
    worker = counter.shell.begin("worker", "counter:app")
    assert worker.stdout is not None
    assert "ready" in worker.stdout.readline()
    for name, role in ((ANN, "adjuster"), (BOB, "adjuster"), (CID, "admin")):
        assert counter.direct("people", "add", name, "--role", role).code == 0
    if kind == "server":
        _serve(counter)
    return counter


def _serve(counter: Counter) -> None:
    served = counter.shell.begin("server", "--port", "0", "--json")
    assert served.stdout is not None
    ready = json.loads(served.stdout.readline())
    for name in (ANN, BOB, CID):
        scopes = ("--scope", "decide", "--scope", "read", "--scope", "admin")  # as far as their roles allow it
        counter.tokens[name] = counter.direct("tokens", "new", name, *scopes).out.strip()
    counter.shell.variables["HOLDFAST_STORE"] = ready["url"]
