"""A ledger outside Holdfast: one line for every time that a step really ran, to count what ran twice.

It is on purpose as simple as can be, a file that is only ever appended to: what it says does not depend on anything
that Holdfast believes.
"""

import functools
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import unquote

from examples.claims.model import Claim
from holdfast import NotInRun, idempotency_key

P = ParamSpec("P")
R = TypeVar("R")

LEDGER: Final = "CLAIMS_LEDGER"
"""Environment variable with the ledger's path; without it nothing is noted."""

STEPS: Final = ("validate", "check_coverage", "detect_anomalies", "price", "decide")
"""The steps that every claim goes through."""

PAYMENT: Final = "pay"
"""What is noted of a payment, which only what a person has approved leads to."""

Unit = tuple[str, str]
"""A claim's id and a step's name: a piece of work that is to be done once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """One line of the ledger."""

    claim_id: str
    step: str
    pid: int

    @property
    def unit(self) -> Unit:
        """What was executed."""
        return self.claim_id, self.step


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """What the ledger says of a run whose first worker was killed."""

    executed: int  # lines in the ledger
    repeated: list[Unit]  # ran again although recorded, or twice in one process: must be empty
    in_flight: list[Unit]  # had begun at the kill without being recorded, so they ran again
    missing: list[Unit]  # never ran: must be empty


def note(claim: Claim, step: str) -> None:
    """Note that a step is being executed, before it does anything: even one that is killed midway counts."""
    _write(claim.id, step)


def note_step() -> None:
    """The same of the step that is running, whichever claim it is of: its key says so. Nothing outside a run."""
    with suppress(NotInRun):
        *_, claim_id, step = idempotency_key().split("/")
        _write(unquote(claim_id), step)


def note_payment(claim_id: str) -> None:
    """The same of a payment."""
    _write(claim_id, PAYMENT)


def _write(claim_id: str, step: str) -> None:
    path = os.environ.get(LEDGER)
    if path is None:
        return
    ledger = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # One short write with O_APPEND is one line, whatever other processes and threads write.
        os.write(ledger, f"{claim_id}\t{os.getpid()}\t{step}\n".encode())
    finally:
        os.close(ledger)


def noted(step: Callable[Concatenate[Claim, P], R]) -> Callable[Concatenate[Claim, P], R]:
    """The same step, with each of its executions noted."""

    @functools.wraps(step)
    def run(claim: Claim, /, *args: P.args, **kwargs: P.kwargs) -> R:
        note(claim, step.__name__)
        return step(claim, *args, **kwargs)

    return run


def read_ledger(path: Path) -> list[Execution]:
    """Read what has been noted so far."""
    if not path.exists():
        return []
    lines = (line.split("\t") for line in path.read_text().splitlines())
    return [Execution(claim_id=claim_id, step=step, pid=int(pid)) for claim_id, pid, step in lines]


def recorded_units(keys: Iterable[str]) -> set[Unit]:
    """Say which units the keys of recorded steps stand for.

    A claim's step has the key ``map:process.assess#1/<claim id>/<step>#1``, ``/`` and ``#`` in the id being escaped;
    those of the reviewer have keys of their own behind the ``#``. Other keys (reading the file) are of no claim.
    """
    places = [key.split("/") for key in keys]
    return {(unquote(place[1]), place[2].removesuffix("#1")) for place in places if len(place) == 3}


def finished(units: Iterable[Unit]) -> int:
    """Count the claims of which every step is among the units."""
    each = Counter(claim_id for claim_id, step in units if step in STEPS)
    return sum(steps == len(STEPS) for steps in each.values())


def audit(executions: Collection[Execution], recorded: Collection[Unit], claim_ids: Iterable[str]) -> Audit:
    """Compare what ran with what had been recorded when the first worker was killed."""
    pids: defaultdict[Unit, list[int]] = defaultdict(list)
    for execution in executions:
        pids[execution.unit].append(execution.pid)
    again = sorted(unit for unit, by in pids.items() if len(by) > 1)
    repeated = [unit for unit in again if unit in recorded or len(set(pids[unit])) < len(pids[unit])]
    return Audit(
        executed=len(executions),
        repeated=repeated,
        in_flight=[unit for unit in again if unit not in repeated],
        missing=[(claim_id, step) for claim_id in claim_ids for step in STEPS if (claim_id, step) not in pids],
    )
