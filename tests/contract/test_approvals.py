"""What a run asks of people is answered once and it hears of it; or it ends, and nobody can answer any more."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holdfast.clock import new_id
from holdfast.records.approval import Approval, ApprovalState, AuditEntry, Ruled
from holdfast.records.delta import Block, Finish, Renew, Suspend, Verdict
from holdfast.records.journal import Entry, Kind, Op
from holdfast.records.repair import Fork
from holdfast.records.run import Run, Status
from holdfast.store.base import Store
from holdfast.store.desk import ApprovalFilter
from tests.contract.desk import CHANNEL, ask, asked, found, put, rule, ruling
from tests.contract.making import MINUTE, NOW, Hand, child_of, delta, entry, finish, fresh, new_run, status
from tests.contract.stores import Place

APPROVED, REJECTED, PENDING, WITHDRAWN = (
    ApprovalState.APPROVED, ApprovalState.REJECTED, ApprovalState.PENDING, ApprovalState.WITHDRAWN,
)  # fmt: skip
ALL = ApprovalFilter(states=())
LARGE = b"x" * 100_000


async def test_what_was_asked_is_there_as_it_was_asked(store: Store, worker: Hand) -> None:
    run = await worker.started(agent="adjust")
    new = asked("a1", to=("ann", "role:adjuster"), risk=70, due_at=NOW + MINUTE, digest="d1", body=LARGE)
    (approval,) = await ask(worker, run, new)
    assert approval.run_id == run.id == approval.root and approval.agent == "adjust" and approval.version == "1"
    assert (approval.key, approval.to, approval.risk, approval.due_at) == (new.key, new.to, 70, NOW + MINUTE)
    assert (approval.digest, approval.body, approval.created_at) == ("d1", LARGE, NOW)
    assert (approval.state, approval.revision, approval.decided_at, approval.decision) == (PENDING, 1, None, None)
    assert await store.approval("nobody asked") is None


async def test_asking_again_changes_nothing(store: Store, worker: Hand) -> None:
    run = await worker.started()
    (before,) = await ask(worker, run, asked("a1", risk=5))
    (after,) = await ask(worker, run, asked("a1", risk=99, body=b"other"))
    assert after == before
    assert await rule(store, ruling(after)) == [Ruled.APPLIED]
    (after,) = await ask(worker, run, asked("a1"))
    assert after.state is APPROVED


async def test_a_decision_wakes_the_run_with_news(store: Store, worker: Hand) -> None:
    run = await worker.started()
    (approval,) = await ask(worker, run, asked("a1"))
    assert await worker.suspend(run) is Verdict.APPLIED
    assert await rule(store, ruling(approval, decision=LARGE, at=NOW + 5)) == [Ruled.APPLIED]
    assert await status(store, run) is Status.QUEUED
    (claimed,) = await worker.claim()
    (news,) = claimed.history.news
    assert (news.op, news.key, news.ok, news.value) == (Op.APPROVAL, approval.key, True, LARGE)
    after = await found(store, "a1")
    assert (after.state, after.revision, after.decided_at, after.decision) == (APPROVED, 2, NOW + 5, LARGE)


async def test_a_run_in_memory_hears_of_it_too(store: Store, worker: Hand) -> None:
    run = await worker.started()
    (approval,) = await ask(worker, run, asked())
    await rule(store, ruling(approval))
    assert await store.woken(worker.id) == [(run.rid, 1)]
    (verdict,) = await worker.commit(delta(run, Suspend(wakes=0, wake_at=None)))
    assert verdict is Verdict.AWAKE


async def test_a_vote_changes_what_is_asked_and_wakes_nobody(store: Store, worker: Hand) -> None:
    run = await worker.started()
    (approval,) = await ask(worker, run, asked("a1", due_at=NOW + 1))
    await worker.suspend(run)
    vote = ruling(approval, PENDING, to=("bob",), due_at=NOW + MINUTE, digest="d2", body=b"vote 1")
    assert await rule(store, vote) == [Ruled.APPLIED]
    after = await found(store, "a1")
    assert (after.to, after.due_at, after.digest, after.body) == (("bob",), NOW + MINUTE, "d2", b"vote 1")
    assert (after.revision, after.state, after.decided_at) == (2, PENDING, None)
    assert await status(store, run) is Status.WAITING
    assert await rule(store, ruling(approval, REJECTED)) == [Ruled.MOVED]
    assert (await found(store, "a1")) == after


async def test_each_ruling_is_answered_for_itself_and_one_that_fails_writes_nothing(store: Store, worker: Hand) -> None:
    run = await worker.started()
    a, b, c = await ask(worker, run, asked(), asked(), asked())
    await rule(store, ruling(a), ruling(b, PENDING))
    nobody = replace(c, id="nobody")
    answers = await rule(store, ruling(a, by="bob"), ruling(b, by="bob"), ruling(c, by="bob"), ruling(nobody))
    assert answers == [Ruled.CLOSED, Ruled.MOVED, Ruled.APPLIED, Ruled.UNKNOWN]
    assert [one.subject for one in await store.audited(actor="bob")] == [c.id]
    assert [news.key for news in await store.news(run.rid, after=0)] == [a.key, c.key]


async def test_a_batch_tells_every_run_all_of_it_in_its_order(store: Store, worker: Hand) -> None:
    runs = [await worker.started() for _ in range(4)]
    approvals = [(await ask(worker, runs[n % 4], asked()))[0] for n in range(60)]
    await worker.suspend(runs[0])
    assert await rule(store, *map(ruling, reversed(approvals))) == [Ruled.APPLIED] * 60
    for n, run in enumerate(runs):
        news = await store.news(run.rid, after=0)
        assert [one.wake for one in news] == list(range(1, 16))
        assert [one.key for one in news] == [one.key for one in reversed(approvals[n::4])]
        assert (await fresh(store, run)).wakes == 15
    assert await status(store, runs[0]) is Status.QUEUED


async def test_any_text_is_kept_as_it_is(store: Store, worker: Hand) -> None:
    run, odd = await worker.started(by="an\0n"), "a\0b\x1a\"{}',"
    (approval,) = await ask(worker, run, asked(odd, key=odd, to=(odd, ""), digest=odd))
    assert (approval.id, approval.key, approval.to, approval.digest) == (odd, odd, (odd, ""), odd)
    assert [one.id for one in await store.approvals(ApprovalFilter(to=(odd,)))] == [odd]
    await rule(store, ruling(approval, PENDING, by=odd, to=("zoe", odd)))
    after = await found(store, odd)
    assert after.to == ("zoe", odd)
    assert [one.actor for one in await store.audited(subject=odd, actor=odd)] == [odd]
    await rule(store, ruling(after))
    assert [news.key for news in await store.news(run.rid, after=0)] == [odd]
    assert after.started_by == "an\0n"


async def test_two_rulings_of_one_approval_in_one_batch_follow_each_other(store: Store, worker: Hand) -> None:
    run = await worker.started()
    (approval,) = await ask(worker, run, asked("a1"))
    vote = ruling(approval, PENDING, body=b"vote")
    decision = replace(ruling(approval), revision=2)
    assert await rule(store, vote, ruling(approval, by="bob"), decision) == [
        Ruled.APPLIED, Ruled.MOVED, Ruled.APPLIED,
    ]  # fmt: skip
    assert (await found(store, "a1")).revision == 3


async def test_of_two_that_decide_at_once_one_wins(place: Place, store: Store, worker: Hand) -> None:
    ours, theirs = store, await place.open()
    run = await worker.started()
    approvals = await ask(worker, run, *(asked() for _ in range(20)))
    for approval in approvals:
        answers = await asyncio.gather(
            rule(ours, ruling(approval, APPROVED, by="ann")), rule(theirs, ruling(approval, REJECTED, by="bob"))
        )
        assert sorted(answer for (answer,) in answers) == [Ruled.APPLIED, Ruled.CLOSED]
        (audited,) = await ours.audited(subject=approval.id)
        after = await found(ours, approval.id)
        assert after.decision == f"{after.state} by {audited.actor}".encode()
    assert len(await ours.news(run.rid, after=0)) == 20
    await theirs.close()


async def test_a_decision_races_with_a_cancel_and_with_the_end_and_never_reaches_a_run_that_is_over(
    place: Place, store: Store, worker: Hand
) -> None:
    other = await place.open()
    for n in range(60):
        run = await worker.started()
        (approval,) = await ask(worker, run, asked())
        end = worker.commit(delta(run, finish())) if n % 2 else other.cancel(run.id, reason="enough", at=NOW)
        vote = store.rule([ruling(approval, PENDING, body=b"vote")])
        decided, voted, _ = await asyncio.gather(other.rule([ruling(approval)]), vote, end)
        await _check_that_it_adds_up(store, run, approval, decided[0], voted[0])
        if not n % 2:
            await worker.commit(delta(run, finish(Status.CANCELLED)))
        left = await found(store, approval.id)
        assert left.state is (APPROVED if decided == [Ruled.APPLIED] else WITHDRAWN)
    await other.close()


async def _check_that_it_adds_up(store: Store, run: Run, before: Approval, decided: Ruled, voted: Ruled) -> None:
    """Each ruling that was applied has left its audit entry and raised the revision; no other has left anything."""
    after = await found(store, before.id)
    applied = [one for one in (decided, voted) if one is Ruled.APPLIED]
    assert len(await store.audited(subject=before.id)) == len(applied)
    assert after.revision == 1 + len(applied) + (after.state is WITHDRAWN)
    assert (after.state is APPROVED) is (decided is Ruled.APPLIED)
    if not (await fresh(store, run)).status.ended:
        told = [news for news in await store.news(run.rid, after=0) if news.op is Op.APPROVAL]
        assert len(told) == (decided is Ruled.APPLIED)


class Crash(BaseException):
    """Raised where the process is to die."""


@pytest.mark.parametrize("point", ["before-begin", "before-commit", "after-commit"])
async def test_a_crash_leaves_all_of_it_or_nothing_and_it_can_be_sent_again(
    place: Place, store: Store, worker: Hand, point: str
) -> None:
    run = await worker.started()
    (approval,) = await ask(worker, run, asked())
    await store.put([CHANNEL])
    batch, use = [ruling(approval, event="approval.decided")], [put("quota")]

    def die(reached: str) -> None:
        if reached == point:
            raise Crash

    dying = await place.open()
    dying.fault = die  # type: ignore[attr-defined]  # both stores have it, for crash tests
    with pytest.raises(Crash):
        await dying.rule(batch, puts=use)
    if point != "before-commit":  # where it may be on its way to the server
        there = point == "after-commit"
        assert (await found(store, approval.id)).state is (APPROVED if there else PENDING)
        assert len(await store.audited()) == len(await store.news(run.rid, after=0)) == int(there)
    assert await store.rule(batch, puts=use) == [Ruled.APPLIED]
    assert len(await store.audited()) == len(await store.news(run.rid, after=0)) == 1
    assert [one.about for one in await store.take_messages(now=NOW + MINUTE, hold=1, limit=9)] == [approval.id]
    await dying.close()


async def test_a_ruling_sent_again_is_known_even_when_more_has_happened_since(store: Store, worker: Hand) -> None:
    run = await worker.started()
    (approval,) = await ask(worker, run, asked("a1"))
    vote = ruling(approval, PENDING, body=b"vote")
    assert await rule(store, vote) == [Ruled.APPLIED]
    assert await rule(store, vote) == [Ruled.APPLIED]
    assert (await found(store, "a1")).revision == 2
    decision = ruling(await found(store, "a1"))
    assert await rule(store, decision) == [Ruled.APPLIED] == await rule(store, vote) == await rule(store, decision)
    await worker.commit(delta(run, finish()))
    assert await rule(store, decision) == [Ruled.APPLIED]
    assert await rule(store, replace(decision, at=decision.at + 1)) == [Ruled.CLOSED]
    assert len(await store.audited(subject="a1")) == 2


async def test_puts_and_rulings_apply_together_or_not_at_all(store: Store, worker: Hand) -> None:
    run = await worker.started()
    a, b = await ask(worker, run, asked(), asked())
    await store.put([put("quota", kind="standing")])
    refused = await store.rule([ruling(a)], puts=[put("new"), put("quota", kind="standing", revision=7)])
    assert refused == [Ruled.MOVED]
    assert (await found(store, a.id)) == a
    assert await store.document("person", "new", now=NOW) is None
    assert await store.audited() == [] and await store.news(run.rid, after=0) == []
    both, use = [ruling(a), ruling(b)], [put("quota", b"used", kind="standing", revision=1)]
    assert await store.rule(both, puts=use) == [Ruled.APPLIED] * 2
    assert await store.rule(both, puts=use) == [Ruled.APPLIED] * 2  # sent again
    quota = await store.document("standing", "quota", now=NOW)
    assert quota is not None and (quota.revision, quota.body) == (2, b"used")
    late = [ruling(a, by="bob"), ruling(b, PENDING)]
    assert await store.rule(late, puts=use) == [Ruled.CLOSED] * 2
    again = [put("quota", b"again", kind="standing", revision=2)]
    assert await store.rule(late, puts=again) == [Ruled.CLOSED] * 2, "no ruling was applied, so no put is"
    assert await store.document("standing", "quota", now=NOW) == quota


async def test_a_run_that_was_asked_to_cancel_or_has_ended_is_over(store: Store, worker: Hand) -> None:
    run = await worker.started()
    a, b = await ask(worker, run, asked(), asked())
    await rule(store, ruling(b))
    assert await store.cancel(run.id, reason="enough", at=NOW)
    assert await rule(store, ruling(a), ruling(a, PENDING), ruling(b, by="bob")) == [
        Ruled.OVER, Ruled.OVER, Ruled.CLOSED,
    ]  # fmt: skip
    assert (await found(store, a.id)).state is PENDING  # its body may yet withdraw it, or clean up
    await worker.commit(delta(run, finish(Status.CANCELLED)))
    after = await found(store, a.id)
    assert (after.state, after.revision, after.decision, after.decided_at) == (WITHDRAWN, 2, None, NOW)
    assert await rule(store, ruling(after)) == [Ruled.OVER]


async def test_a_delta_withdraws_what_its_own_run_has_asked(store: Store, worker: Hand) -> None:
    mine, other = await worker.started(), await worker.started()
    a, b = await ask(worker, mine, asked(), asked())
    (c,) = await ask(worker, other, asked())
    await rule(store, ruling(b))
    await worker.commit(delta(mine, withdrawn=(a.id, b.id, c.id, "nobody")))
    assert [(await found(store, one.id)).state for one in (a, b, c)] == [WITHDRAWN, APPROVED, PENDING]
    assert await rule(store, ruling(a)) == [Ruled.CLOSED]


async def test_a_run_that_asks_and_ends_in_one_delta_waits_for_nothing(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, finish(), approvals=(asked("a1"),)))
    assert (await found(store, "a1")).state is WITHDRAWN


async def test_children_that_end_with_their_parent_withdraw_what_they_ask(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    await worker.commit(delta(parent, children=(child_of(parent, "c1"), child_of(parent, "c2"))))
    blocked, live = [one.run for one in await worker.claim()]
    await ask(worker, blocked, asked("a1"))
    await ask(worker, live, asked("a2"))
    await worker.commit(delta(blocked, Block(why=b"why")))
    await worker.commit(delta(parent, finish()))
    assert (await found(store, "a1")).state is WITHDRAWN
    assert (await found(store, "a2")).state is PENDING
    assert await rule(store, ruling(await found(store, "a2"))) == [Ruled.OVER]


async def test_a_blocked_run_that_is_cancelled_withdraws_what_it_asks(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, Block(why=b"why"), approvals=(asked("a1"),)))
    assert (await found(store, "a1")).state is PENDING
    await store.cancel(run.id, reason="enough", at=NOW)
    assert (await found(store, "a1")).state is WITHDRAWN


async def test_a_run_that_begins_again_neither_waits_for_old_answers_nor_hears_them(store: Store, worker: Hand) -> None:
    run = await worker.started()
    a, b = await ask(worker, run, asked(), asked())
    await rule(store, ruling(a))
    again = Renew(agent="adjust", version="1", input=b"2", digest=b"2", carry=())
    await worker.commit(delta(run, again))
    assert (await found(store, b.id)).state is WITHDRAWN
    (claimed,) = await worker.claim()
    assert claimed.history.news == [] and claimed.run.seen == claimed.run.wakes


def intent(seq: int, approval: str) -> Entry:
    return entry(seq, kind=Kind.INTENT, op=Op.APPROVAL, key=f"~approve:{approval}#1")


def outcome(seq: int, approval: str) -> Entry:
    return entry(seq, op=Op.APPROVAL, key=f"~approve:{approval}#1")


async def _failed(store: Store, worker: Hand) -> Run:
    """A run that has asked five people and failed at entry 6."""
    run = await worker.started()
    entries = (intent(1, "heard"), outcome(2, "heard"), intent(3, "late"), intent(4, "unheard"), intent(5, "open"))
    first = tuple(asked(name) for name in ("heard", "late", "unheard", "open"))
    await worker.commit(delta(run, entries=entries, approvals=first))
    for name in ("heard", "late", "unheard"):
        await rule(store, ruling(await found(store, name)))
    more = (entry(6, ok=False), outcome(7, "late"), intent(8, "after"))
    await worker.commit(delta(run, entries=more, approvals=(asked("after"),)))
    await rule(store, ruling(await found(store, "after")))
    await worker.commit(delta(run, Finish(status=Status.FAILED, value=b"f", at=NOW, because=6)))
    return run


async def test_a_retried_run_hears_again_what_was_decided_and_asks_again_what_was_not(
    store: Store, worker: Hand
) -> None:
    run = await _failed(store, worker)
    assert await store.retry(run.id, at=NOW)
    (claimed,) = await worker.claim()
    assert [one.seq for one in claimed.history.entries] == [1, 2, 3, 4]
    assert sorted(news.key for news in claimed.history.news) == ["~approve:late#1", "~approve:unheard#1"]
    assert {news.op for news in claimed.history.news} == {Op.APPROVAL}
    assert await store.approval("open") is None and await store.approval("after") is None
    (again,) = await ask(worker, claimed.run, asked("open", at=NOW + 9))
    assert (again.state, again.created_at) == (PENDING, NOW + 9)


async def test_a_fork_asks_again_what_its_origin_was_not_answered(store: Store, worker: Hand) -> None:
    run = await _failed(store, worker)
    fork = Fork(id="fork", version="1", seq=5, at=NOW)
    assert await store.fork(run.id, fork)
    assert [one.seq for one in await store.journal("fork")] == [1, 2]
    assert await store.approvals(ApprovalFilter(states=(), run_id="fork")) == []


async def test_deleting_a_run_deletes_what_it_asked_and_keeps_the_audit_trail(store: Store, worker: Hand) -> None:
    run = await worker.started()
    (approval,) = await ask(worker, run, asked())
    await rule(store, ruling(approval))
    await worker.commit(delta(run, finish()))
    assert await store.delete([run.id]) == 1
    assert await store.approval(approval.id) is None and await store.approvals(ALL) == []
    (kept,) = await store.audited(run_id=run.id)
    assert (kept.subject, kept.actor) == (approval.id, "ann")
    assert await rule(store, ruling(approval)) == [Ruled.UNKNOWN]


async def test_the_riskiest_come_first_and_pages_follow_each_other(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await ask(worker, run, *(asked(f"a{n}", risk=risk) for n, risk in enumerate((0, 90, 50, 90, 0, 50))))
    order = ["a1", "a3", "a2", "a5", "a0", "a4"]
    assert [one.id for one in await store.approvals(ApprovalFilter())] == order
    seen, after = [], None
    while page := await store.approvals(ApprovalFilter(limit=2, after=after)):
        seen += [one.id for one in page]
        after = (page[-1].risk, page[-1].n)
    assert seen == order
    await rule(store, ruling(await found(store, "a2")))
    assert [one.id for one in await store.approvals(ALL)] == order
    assert [one.id for one in await store.approvals(ApprovalFilter(limit=3))] == ["a1", "a3", "a5"]


async def test_they_are_found_by_what_they_are(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, children=(child_of(run, f"{run.id}.1"),)))
    child = await worker.claim_one()
    other = await worker.started()
    await ask(worker, run, asked("root", to=("ann",), risk=10, due_at=NOW + 5))
    await ask(worker, child, asked("child", to=("bob", "role:x"), risk=20))
    await ask(worker, other, asked("other", to=(), risk=30))

    async def ids(**which: object) -> set[str]:
        wanted = ApprovalFilter(**which)  # type: ignore[arg-type]  # given by name in the lines below
        rows = await store.approvals(wanted)
        assert await store.count_approvals(wanted) == len(rows)
        return {one.id for one in rows}

    assert await ids(to=("ann",)) == {"root", "other"}
    assert await ids(to=("role:x", "zoe")) == {"child", "other"}
    assert await ids(to=()) == {"other"}
    assert await ids(run_id=run.id) == {"root"}
    assert await ids(root=run.id) == {"root", "child"}
    assert await ids(root=run.id, run_id=child.id) == {"child"}
    assert await ids(root=other.id, run_id=child.id) == set()
    assert await ids(agent="adjust") == {"root", "child", "other"} and await ids(agent="pay") == set()
    assert await ids(min_risk=20) == {"child", "other"}
    assert await ids(due_before=NOW + 6) == {"root"} and await ids(due_before=NOW + 5) == set()
    assert await ids(states=(APPROVED, REJECTED)) == set()


async def test_those_that_are_due_are_found_the_longest_due_first(store: Store, worker: Hand) -> None:
    assert await store.next_due() is None
    run = await worker.started()
    first, second, _, _ = await ask(
        worker, run, asked("a", due_at=NOW + 20), asked("b", due_at=NOW + 10), asked("c", due_at=NOW + 30), asked("d")
    )
    assert await store.next_due() == NOW + 10
    assert [one.id for one in await store.due_approvals(now=NOW + 20, limit=9)] == ["b", "a"]
    assert [one.id for one in await store.due_approvals(now=NOW + 20, limit=1)] == ["b"]
    await rule(store, ruling(second), ruling(first, PENDING, due_at=NOW + 40))
    assert await store.next_due() == NOW + 30
    await worker.commit(delta(run, finish()))
    assert await store.next_due() is None


async def test_what_runs_ask_that_were_asked_to_cancel_does_not_keep_others_from_their_deadlines(
    store: Store, worker: Hand
) -> None:
    over, going = await worker.started(), await worker.started()
    await ask(worker, over, asked("a", due_at=NOW + 10), asked("b", due_at=NOW + 10))
    await ask(worker, going, asked("c", due_at=NOW + 20))
    assert await store.cancel(over.id, reason="enough", at=NOW)
    assert [one.id for one in await store.due_approvals(now=NOW + 30, limit=2)] == ["c"]


async def test_the_audit_trail_is_read_in_its_order_by_whom_and_what(store: Store) -> None:
    def noted(actor: str, subject: str, run_id: str = "") -> AuditEntry:
        return AuditEntry(at=NOW, actor=actor, action="approval.refused", subject=subject, run_id=run_id, detail=b"d")

    await store.audit([noted("ann", "a1", "r1"), noted("bob", "a1"), noted("ann", "a2", "r1")])
    await store.audit([noted("ann", "a1")])
    everything = await store.audited()
    assert [(one.actor, one.subject) for one in everything] == [
        ("ann", "a1"), ("bob", "a1"), ("ann", "a2"), ("ann", "a1"),
    ]  # fmt: skip
    assert everything[0] == replace(noted("ann", "a1", "r1"), n=everything[0].n)
    numbers = [one.n for one in everything]
    assert numbers == sorted(set(numbers)) and numbers[0] > 0
    assert await store.audited(after=numbers[1]) == everything[2:]
    assert await store.audited(limit=2) == everything[:2]
    assert await store.audited(subject="a1", actor="ann") == [everything[0], everything[3]]
    assert await store.audited(run_id="r1") == [everything[0], everything[2]]


async def test_who_started_a_tree_is_known_of_its_root_and_of_its_forks(store: Store, worker: Hand) -> None:
    run = await worker.started(by="ann")
    await worker.commit(delta(run, children=(child_of(run, f"{run.id}.1", by="bob"),)))
    await store.start([new_run("alone")])
    await store.fork(run.id, Fork(id="fork", version="1", seq=0, at=NOW))
    runs = [run, *(one.run for one in await worker.claim(limit=3))]
    for one in runs:
        await ask(worker, one, asked(f"of-{one.id}", at=NOW, due_at=NOW))
    who = {f"of-{run.id}": "ann", f"of-{run.id}.1": "ann", "of-alone": "", "of-fork": "ann"}
    everywhere = [
        await store.approvals(ApprovalFilter()),
        [row for one in runs for row in await store.approvals(ApprovalFilter(run_id=one.id))],
        await store.due_approvals(now=NOW, limit=10),
        [await found(store, id) for id in who],
    ]
    for rows in everywhere:
        assert {row.id: row.started_by for row in rows} == who
    started = {id: row.started_by for id, row in zip(who, everywhere[-1], strict=True)}
    assert started["of-fork"] == "ann"


@pytest.mark.parametrize("root", ["ann", ""])
async def test_who_forks_a_tree_is_known_beside_who_started_it(store: Store, worker: Hand, root: str) -> None:
    run = await worker.started(by=root)
    await worker.commit(delta(run, children=(child_of(run, f"{run.id}.1", by="eve"),)))
    await worker.claim_one()
    for origin, by in ((run.id, ""), (run.id, "ann"), (run.id, "bob"), (f"{run.id}.1", "bob")):
        fork = Fork(id=new_id(NOW), version="1", seq=0, at=NOW, by=by)
        await store.fork(origin, fork)
        (approval,) = await ask(worker, await worker.claim_one(), asked(at=NOW))
        assert approval.started_by == ", ".join(dict.fromkeys(name for name in (root, by) if name))


async def test_channels_are_told_if_there_are_any(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await ask(worker, run, asked("early"))
    assert await store.next_message() is None
    await store.put([CHANNEL])
    a, b, c, _ = await ask(worker, run, *(asked(id, at=NOW + 1) for id in "abcd"))
    await ask(worker, run, asked("a"))  # again: nothing new
    await rule(store, ruling(a, event="approval.decided", at=NOW + 2), ruling(b, at=NOW + 2))
    await rule(store, ruling(a, by="bob", event="approval.decided"))  # not applied
    await worker.commit(delta(run, withdrawn=(c.id,), entries=(entry(1, at=NOW + 3),)))
    await worker.commit(delta(run, finish()))
    told = await store.take_messages(now=NOW + MINUTE, hold=1, limit=100)
    assert sorted((one.event, one.about) for one in told) == [
        ("approval.decided", "a"),
        *(("approval.requested", one) for one in "abcd"),
        *(("approval.withdrawn", one) for one in ("c", "d", "early")),
    ]
    assert {one.channel for one in told} == {""} and {one.tries for one in told} == {1}


async def test_a_refused_delta_asks_nobody(store: Store, worker: Hand) -> None:
    run = await worker.started()
    stale = run.epoch - 1
    (verdict,) = await worker.commit(delta(run, approvals=(asked("a1"),))._replace(epoch=stale))
    assert verdict is Verdict.REFUSED and await store.approval("a1") is None


async def test_a_watch_sees_what_is_asked_and_what_is_decided(store: Store, worker: Hand) -> None:
    run = await worker.started()
    watch = store.watch()
    try:
        await watch.wait(0)  # what came before it
        waiting = asyncio.create_task(asyncio.wait_for(watch.wait(3600), 60))
        (approval,) = await ask(worker, run, asked())
        await waiting
        waiting = asyncio.create_task(asyncio.wait_for(watch.wait(3600), 60))
        await rule(store, ruling(approval, PENDING))
        await waiting
    finally:
        watch.close()
    assert (await fresh(store, run)).wakes == 0
