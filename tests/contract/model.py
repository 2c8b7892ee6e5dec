"""What a store is, without any store: runs as plain objects, one lock, one counter."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.records.journal import Op
from holdfast.records.run import ENDED, Status
from tests.contract.making import NOW

Told = tuple[Op, str, bool]  # news without its number


@dataclass
class ModelRun:
    """A run as it should stand."""

    id: str
    parent: str | None = None
    detached: bool = False
    status: Status = Status.QUEUED
    worker: str | None = None
    epoch: int = 0
    wakes: int = 0
    unseen: list[Told] = field(default_factory=list)  # filed under the last numbers up to `wakes`
    heard: list[Told] = field(default_factory=list)
    wake_at: int | None = None
    lost: int = 0
    entries: int = 0
    started: bool = False
    cancel: bool = False
    resolved: set[str] = field(default_factory=set)
    asked: dict[str, str] = field(default_factory=dict)  # what it asked of people: pending, approved, withdrawn

    @property
    def seen(self) -> int:
        return self.wakes - len(self.unseen) if self.status not in ENDED else -1  # an ended run's news is dropped

    @property
    def bodiless(self) -> bool:
        return self.status is Status.BLOCKED or (self.status is Status.QUEUED and not self.started)


class Model:
    """The runs of a store, and what each act does to them."""

    def __init__(self) -> None:
        self.runs: dict[str, ModelRun] = {}

    def start(self, id: str, parent: str | None = None, *, detached: bool = False) -> None:
        self.runs[id] = run = ModelRun(id, parent, detached)
        if parent is not None and not detached and self.runs[parent].cancel:
            run.cancel = True
            self.end(run, Status.CANCELLED)

    def due(self, now: int) -> list[ModelRun]:
        return [
            run
            for run in self.runs.values()
            if run.status is Status.QUEUED
            or (run.status is Status.WAITING and run.wake_at is not None and run.wake_at <= now)
        ]

    def may_claim(self, worker: str, now: int, claimed: set[str]) -> bool:
        """Whether a worker's claim may have brought these: all that is due, one of what was lost twice."""
        due = self.due(now)
        suspects = {run.id for run in due if run.lost == 2}
        free = not any(run.lost == 2 for run in self.owned(worker))
        sure = {run.id for run in due} - suspects
        return claimed - suspects == sure and len(claimed & suspects) == min(int(free), len(suspects))

    def claim(self, worker: str, run: ModelRun) -> None:
        run.status, run.worker, run.started, run.wake_at = Status.RUNNING, worker, True, None
        run.epoch += 1

    def lose(self, worker: str) -> None:
        for run in self.owned(worker):
            run.lost += 1
            self.leave(run, Status.QUEUED if run.lost < 3 else Status.BLOCKED)

    def owned(self, worker: str) -> list[ModelRun]:
        return [run for run in self.runs.values() if run.worker == worker]

    def leave(self, run: ModelRun, status: Status, wake_at: int | None = None) -> None:
        run.status, run.worker, run.wake_at = status, None, wake_at

    def see(self, run: ModelRun) -> None:
        run.heard += run.unseen
        run.unseen = []

    def tell(self, run: ModelRun, news: Told) -> bool:
        if run.status in ENDED:
            return False
        run.wakes += 1
        run.unseen.append(news)
        if run.status is Status.WAITING:
            self.leave(run, Status.QUEUED)
        return True

    def resolve(self, run: ModelRun, name: str) -> bool:
        if name in run.resolved or run.status in ENDED:
            return False
        run.resolved.add(name)
        return self.tell(run, (Op.PROMISE, name, True))

    def rule(self, run: ModelRun, id: str) -> str:
        if run.asked[id] == "approved":
            return "closed"
        if run.cancel or run.status in ENDED:
            return "over"
        if run.asked[id] != "pending":
            return "closed"
        run.asked[id] = "approved"
        self.tell(run, (Op.APPROVAL, id, True))
        return "applied"

    def withdraw(self, run: ModelRun) -> None:
        run.asked.update({id: "withdrawn" for id, state in run.asked.items() if state == "pending"})

    def cancel(self, run: ModelRun) -> bool:
        if run.status in ENDED or (run.cancel and not run.bodiless):
            return False
        run.cancel = True
        if run.bodiless:
            self.end(run, Status.CANCELLED)
            return True
        return self.tell(run, (Op.RUN, "cancel", False))

    def end(self, run: ModelRun, status: Status) -> None:
        self.leave(run, status)
        run.unseen = []
        self.withdraw(run)
        if run.parent is not None:
            self.tell(self.runs[run.parent], (Op.CHILD, f"child:{run.id}", status is Status.SUCCEEDED))
        for child in [child for child in self.runs.values() if child.parent == run.id and not child.detached]:
            self.cancel(child)


LATER = NOW + 1_000
