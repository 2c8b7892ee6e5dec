"""Any interleaving of what workers, people and time do leaves the store as the model says.

Single owner; news told exactly once and never lost; ends are final; a waiting run has no unseen news.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from holdfast.errors import LeaseLost
from holdfast.records.approval import ApprovalState
from holdfast.records.delta import Block, Delta, HandBack, Suspend, Verdict
from holdfast.records.journal import Op
from holdfast.records.run import ENDED, Run, Status
from holdfast.store.desk import ApprovalFilter
from tests.contract.desk import asked, found, ruling
from tests.contract.making import NOW, Hand, child_of, entry, finish, new_run
from tests.contract.model import LATER, Model, ModelRun
from tests.contract.stores import PLACES

PICK = st.integers(min_value=0, max_value=10**6)
NAMES = st.sampled_from(["p", "q"])


def has(*statuses: Status) -> Callable[[Interleavings], bool]:
    """Whether there is a run of one of these statuses (of any, if none is named)."""
    return lambda self: any(not statuses or run.status in statuses for run in self.model.runs.values())


ENDINGS = st.sampled_from([Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])


class Interleavings(RuleBasedStateMachine):
    """Two workers at a time, a few runs, and everybody meddling."""

    place = PLACES[0]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.model = Model()
        self.hands: list[Hand] = []
        self.count = 0
        self.stale: list[tuple[Hand, Run]] = []  # owners of old
        self.ended: dict[str, Status] = {}

    @initialize()
    def open(self) -> None:
        self.kept = self.place(Path(self.folder.name))
        self.store = self.do(self.kept.open())
        self.hire()
        self.hire()

    def teardown(self) -> None:
        self.do(self.store.close())
        self.runner.close()
        self.kept.clear()
        self.folder.cleanup()

    def do(self, coroutine):
        return self.runner.run(coroutine)

    def hire(self) -> None:
        self.count += 1
        self.hands.append(self.do(Hand.hire(self.store, f"w{self.count}")))

    def fresh_id(self) -> str:
        self.count += 1
        return f"run-{self.count:04d}"

    def pick(self, number: int, *statuses: Status) -> ModelRun:
        runs = [run for run in self.model.runs.values() if not statuses or run.status in statuses]
        return runs[number % len(runs)]

    def get(self, run: ModelRun) -> Run:
        found = self.do(self.store.get(run.id))
        assert found is not None
        return found

    def commit(self, run: ModelRun, end: object = None, **changes: object) -> Verdict:
        hand = next(hand for hand in self.hands if hand.id == run.worker)
        mine = self.get(run)
        (verdict,) = self.do(hand.commit(Delta(rid=mine.rid, epoch=mine.epoch, end=end, **changes)))
        if end is not None and verdict is Verdict.APPLIED:
            self.stale.append((hand, mine))
        return verdict

    @rule()
    @precondition(lambda self: len(self.model.runs) < 12)
    def start(self) -> None:
        id = self.fresh_id()
        self.do(self.store.start([new_run(id), new_run(id)]))
        self.model.start(id)

    @rule(which=PICK, later=st.booleans())
    def claim(self, which: int, later: bool) -> None:
        hand, now = self.hands[which % len(self.hands)], LATER if later else NOW
        claimed = self.do(hand.claim(now=now))
        assert self.model.may_claim(hand.id, now, {one.run.id for one in claimed})
        for one in claimed:
            run = self.model.runs[one.run.id]
            self.model.claim(hand.id, run)
            assert [(news.op, news.key, news.ok) for news in one.history.news] == run.unseen
            assert len(one.history.entries) == run.entries

    @rule(which=PICK, see=st.booleans())
    @precondition(has(Status.RUNNING))
    def record(self, which: int, see: bool) -> None:
        run = self.pick(which, Status.RUNNING)
        seen = run.wakes if see else None
        assert self.commit(run, entries=(entry(run.entries + 1),), seen=seen) is Verdict.APPLIED
        run.entries, run.lost = run.entries + 1, 0
        if see:
            self.model.see(run)

    @rule(which=PICK, see=st.booleans(), behind=st.sampled_from([0, 0, 1]), timed=st.booleans())
    @precondition(has(Status.RUNNING))
    def suspend(self, which: int, see: bool, behind: int, timed: bool) -> None:
        run = self.pick(which, Status.RUNNING)
        wake_at = LATER if timed else None
        seen = run.wakes if see else None
        verdict = self.commit(run, Suspend(wakes=run.wakes - behind, wake_at=wake_at), seen=seen)
        if see:
            self.model.see(run)
        free = not run.unseen and not behind
        assert verdict is (Verdict.APPLIED if free else Verdict.AWAKE)
        if free:
            self.model.leave(run, Status.WAITING, wake_at)
            run.lost = 0

    @rule(which=PICK, name=NAMES)
    @precondition(has())
    def resolve(self, which: int, name: str) -> None:
        run = self.pick(which)
        done = self.do(self.store.resolve(f"{run.id}/{name}", ok=True, value=b"v", at=NOW))
        assert done is self.model.resolve(run, name)

    @rule(which=PICK)
    @precondition(has(Status.RUNNING))
    def ask(self, which: int) -> None:
        run, id = self.pick(which, Status.RUNNING), f"approval-{self.fresh_id()}"
        assert self.commit(run, approvals=(asked(id, key=id),)) is Verdict.APPLIED
        run.asked[id] = "pending"

    @rule(which=PICK)
    @precondition(has(Status.RUNNING))
    def withdraw(self, which: int) -> None:
        run = self.pick(which, Status.RUNNING)
        assert self.commit(run, withdrawn=tuple(run.asked)) is Verdict.APPLIED
        self.model.withdraw(run)

    @rule(which=PICK)
    @precondition(lambda self: any(run.asked for run in self.model.runs.values()))
    def decide(self, which: int) -> None:
        every = [(run, id) for run in self.model.runs.values() for id in run.asked]
        run, id = every[which % len(every)]
        self.count += 1  # another person each time: not the same ruling again
        approval = self.do(found(self.store, id))
        (answer,) = self.do(self.store.rule([ruling(approval, by=f"p{self.count}")]))
        assert str(answer) == self.model.rule(run, id)

    @rule(which=PICK)
    @precondition(has())
    def cancel(self, which: int) -> None:
        run = self.pick(which)
        assert self.do(self.store.cancel(run.id, reason="why not", at=NOW)) is self.model.cancel(run)

    @rule(which=PICK, detached=st.booleans())
    @precondition(has(Status.RUNNING))
    @precondition(lambda self: len(self.model.runs) < 12)
    def start_child(self, which: int, detached: bool) -> None:
        run, id = self.pick(which, Status.RUNNING), self.fresh_id()
        child = child_of(self.get(run), id, key=f"child:{id}", detached=detached)
        assert self.commit(run, children=(child,)) is Verdict.APPLIED
        self.model.start(id, run.id, detached=detached)

    @rule(which=PICK, ending=ENDINGS)
    @precondition(has(Status.RUNNING))
    def finish(self, which: int, ending: Status) -> None:
        run = self.pick(which, Status.RUNNING)
        assert self.commit(run, finish(ending)) is Verdict.APPLIED
        self.model.end(run, ending)

    @rule(which=PICK)
    @precondition(has(Status.RUNNING))
    def hand_back(self, which: int) -> None:
        run = self.pick(which, Status.RUNNING)
        assert self.commit(run, HandBack()) is Verdict.APPLIED
        self.model.leave(run, Status.QUEUED)

    @rule(which=PICK)
    @precondition(has(Status.RUNNING))
    def block(self, which: int) -> None:
        run = self.pick(which, Status.RUNNING)
        assert self.commit(run, Block(why=b"?")) is Verdict.APPLIED
        self.model.leave(run, Status.BLOCKED)

    @rule(which=PICK)
    @precondition(has())
    def resume(self, which: int) -> None:
        run = self.pick(which)
        blocked = run.status is Status.BLOCKED
        assert self.do(self.store.resume(run.id)) is blocked
        if blocked:
            self.model.leave(run, Status.QUEUED)
            run.lost = 0

    @rule(which=PICK)
    def lose_a_worker(self, which: int) -> None:
        dead = self.hands.pop(which % len(self.hands))
        dead.lose_lease()
        self.hire()
        self.model.lose(dead.id)
        claimed = self.do(self.hands[-1].claim())  # whoever claims next notices
        assert self.model.may_claim(self.hands[-1].id, NOW, {one.run.id for one in claimed})
        for one in claimed:
            self.model.claim(self.hands[-1].id, self.model.runs[one.run.id])
        try:
            self.do(dead.commit())
        except LeaseLost:
            return
        raise AssertionError("a worker whose runs were taken could still write")

    @rule(which=PICK)
    @precondition(lambda self: any(hand in self.hands for hand, _ in self.stale))
    def write_as_an_owner_of_old(self, which: int) -> None:
        stale_ones = [(hand, old) for hand, old in self.stale if hand in self.hands]
        hand, old = stale_ones[which % len(stale_ones)]
        stale = Delta(rid=old.rid, epoch=old.epoch, entries=(entry(999),), end=finish(), seen=0)
        assert self.do(hand.commit(stale)) == [Verdict.REFUSED]

    @invariant()
    def the_store_is_as_the_model_says(self) -> None:
        for run in self.model.runs.values():
            found = self.get(run)
            assert (found.status, found.worker, found.epoch) == (run.status, run.worker, run.epoch), run
            assert (found.wakes, found.lost, found.entries) == (run.wakes, run.lost, run.entries), run
            assert (found.cancel_at is not None, found.wake_at) == (run.cancel, run.wake_at), run
            if run.status in ENDED:
                assert self.ended.setdefault(run.id, run.status) is found.status, "an end is final"
                continue
            assert found.seen == run.seen
            filed = self.do(self.store.news(found.rid, after=found.seen))
            assert [news.wake for news in filed] == list(range(found.seen + 1, found.wakes + 1))
            assert [(news.op, news.key, news.ok) for news in filed] == run.unseen
            assert not (found.status is Status.WAITING and filed), "a waiting run has no unseen news"

    @invariant()
    def what_is_asked_stands_as_the_model_says(self) -> None:
        rows = self.do(self.store.approvals(ApprovalFilter(states=(), limit=1_000)))
        expected = {id: state for run in self.model.runs.values() for id, state in run.asked.items()}
        assert {row.id: str(row.state) for row in rows} == expected
        assert all(row.revision == (1 if row.state is ApprovalState.PENDING else 2) for row in rows)

    @invariant()
    def owners_are_told_of_their_news(self) -> None:
        for hand in self.hands:
            expected = {run.id for run in self.model.owned(hand.id) if run.unseen}
            rids = {self.get(self.model.runs[id]).rid for id in expected}
            assert {rid for rid, _ in self.do(self.store.woken(hand.id))} == rids

    @invariant()
    def a_childs_end_reaches_its_parent_once(self) -> None:
        for run in self.model.runs.values():
            told = [key for op, key, _ in (*run.heard, *run.unseen) if op is Op.CHILD]
            assert len(told) == len(set(told))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_any_interleaving(place: type) -> None:
    machine = type("InterleavingsOf" + place.__name__, (Interleavings,), {"place": place})
    soak = settings.default is not None and settings.default.max_examples > 1_000  # see tests/conftest.py
    run_state_machine_as_test(
        machine, settings=settings(max_examples=1_000 if soak else place.examples, stateful_step_count=40)
    )
