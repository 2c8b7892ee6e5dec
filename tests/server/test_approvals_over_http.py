"""What runs ask is seen and decided over HTTP, by those who may, and by what they were shown."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.approvals.answers import Approve, Reject
from holdfast.approvals.case import InboxFilter, Person
from holdfast.approvals.standing import Standing
from holdfast.errors import AlreadyDecided, EditRefused, NotAllowed, UnknownApproval, WrongDigest
from holdfast.records.approval import Approval
from holdfast.records.run import Status
from holdfast.server import sight
from tests.server.house import PAID, House, app, ask_all, asked, asked_by, result, served, settle
from tests.server.test_people_are_who_they_say import logged_in, problem

YES = {"kind": "approve"}
ANYBODY = Person(name="whoever has the token")


def path(approval: Approval, act: str = "decision") -> str:
    return f"/api/approvals/{approval.id}/{act}"


async def test_a_case_is_read_edited_and_approved(built: House) -> None:
    PAID.clear()
    approval = await asked(built, settle("c-edited"))
    ann = await built.caller("ann", "adjuster")
    (case,) = (await ann.get("/api/approvals")).json()["approvals"]
    assert (case["id"], case["because"], case["action"]["arguments"]["amount"]) == (approval.id, "it is due", 90)
    context = (await ann.get(path(approval, "context"))).json()
    assert (context["status"], context["input"]["claim"]) == ("waiting", "c-edited")
    body = {"answer": {"kind": "approve", "edits": {"amount": 70}}, "digest": case["digest"]}
    decided = await ann.post(path(approval), json=body)
    assert (decided.status_code, decided.json()["state"]) == (200, "approved")
    assert await result(built, approval.run_id) == "paid 70 by ann"
    assert PAID == [("c-edited", 70)]
    trail = (await ann.get(path(approval, "trail"))).json()["entries"]
    assert {"approval.shown", "approval.approved"} <= {entry["action"] for entry in trail}


async def test_people_see_and_decide_what_is_asked_of_them_only(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    eve = await built.caller("eve", "lead")
    assert (await eve.get("/api/approvals")).json()["approvals"] == []
    for answer in (
        await eve.get(f"/api/approvals/{approval.id}"),
        await eve.get(path(approval, "context")),
        await eve.post(path(approval), json={"answer": YES, "digest": approval.digest}),
    ):
        assert problem(answer)[0] in (403, 404)
    viewer = await built.caller("vic", "viewer")
    assert problem(await viewer.get("/api/approvals")) == (403, "scope-missing")
    assert (await built.store.approval(approval.id)) == approval


async def test_who_is_asked_by_a_run_may_read_what_it_has_recorded(built: House) -> None:
    approval, other = await asked(built, settle("c-1")), await asked(built, settle("c-2", to="role:lead"))
    ann = await built.caller("ann", "adjuster")
    for what in ("journal", "files", "recording", "history"):
        assert (await ann.get(f"/api/runs/{approval.run_id}/{what}")).status_code == 200
        assert problem(await ann.get(f"/api/runs/{other.run_id}/{what}")) == (403, "scope-missing")
    assert problem(await ann.get("/api/runs")) == (403, "scope-missing")


async def test_one_who_is_asked_among_many_who_are_may_read_it_too(
    built: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sight, "_PAGE", 2)
    run = await built.start(ask_all(["", "", "", "", "ann"]))
    await built.runtime.wait_until(run, lambda record: record.status is Status.WAITING)
    ann, eve = await built.caller("ann", "adjuster"), await built.caller("eve", "adjuster")
    assert (await ann.get(f"/api/runs/{run}/journal")).status_code == 200
    assert problem(await eve.get(f"/api/runs/{run}/journal")) == (403, "scope-missing")


async def test_who_started_the_run_cannot_approve_it(built: House) -> None:
    ann = await built.caller("ann", "adjuster", "operator")
    run = (await ann.post("/api/runs", json={"agent": "settle", "input": {"claim": "c-1"}})).json()["run"]
    approval = await asked_by(built, run)
    answer = await ann.post(path(approval), json={"answer": YES, "digest": approval.digest})
    assert problem(answer) == (403, "four-eyes")
    handed = await ann.post(f"/api/approvals/{approval.id}/reassignment", json={"to": ["bo"]})
    assert problem(handed) == (403, "four-eyes")
    case = (await ann.get(f"/api/approvals/{approval.id}")).json()
    assert (case["own"], case["why_not"]) == (True, "they have started the run: another has to approve it (four eyes)")


async def test_who_forked_the_run_cannot_approve_what_the_fork_asks_nor_can_who_started_it(built: House) -> None:
    ann, bo = [await built.caller(name, "adjuster", "operator") for name in ("ann", "bo")]
    run = (await ann.post("/api/runs", json={"agent": "settle", "input": {"claim": "c-1"}})).json()["run"]
    await asked_by(built, run)
    fork = (await bo.post(f"/api/runs/{run}/forks", json={"at": 0})).json()["run"]
    approval = await asked_by(built, fork)
    for own in (ann, bo):
        answer = await own.post(path(approval), json={"answer": YES, "digest": approval.digest})
        assert problem(answer) == (403, "four-eyes")
        assert "four eyes" in answer.json()["detail"]
    cy = await built.caller("cy", "adjuster")
    assert (await cy.post(path(approval), json={"answer": YES, "digest": approval.digest})).status_code == 200


async def test_what_was_decided_is_nobodys_to_change_in_a_fork(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    ann, op = await built.caller("ann", "adjuster"), await built.caller("op", "operator")
    await ann.post(path(approval), json={"answer": {"kind": "reject", "reason": "no"}, "digest": approval.digest})
    assert await result(built, approval.run_id) == "rejected: no"
    forged = {"state": "approved", "by": ["ann"], "at": 0, "digest": approval.digest, "final": {}}
    for at in (approval.key, (await built.store.journal(approval.run_id))[-1].seq):
        answer = await op.post(f"/api/runs/{approval.run_id}/forks", json={"at": at, "outcome": forged})
        assert problem(answer)[0] == 422 and "people" in answer.json()["detail"], answer.text


async def test_the_second_of_two_is_told_who_was_first_and_when(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    ann, bo = await built.caller("ann", "adjuster"), await built.caller("bo", "adjuster")
    body = {"answer": YES, "digest": approval.digest}
    answers = await asyncio.gather(*(who.post(path(approval), json=body) for who in (ann, bo)))
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert (won.status_code, problem(lost)) == (200, (409, "already-decided"))
    said = lost.json()
    assert (said["state"], said["by"], said["approval"]) == ("approved", won.json()["decision"]["by"], approval.id)
    assert said["at"].endswith("Z")


@pytest.mark.parametrize(
    ("changes", "status", "sort"),
    [
        ({"digest": "0" * 64}, 409, "wrong-digest"),
        ({"digest": "wrong"}, 422, "invalid"),
        ({"digest": None}, 422, "invalid"),
        ({"answer": {"kind": "approve", "edits": {"amount": "much"}}}, 422, "edit-refused"),
        ({"answer": {"kind": "approve", "edits": {"account": "mine"}}}, 422, "edit-refused"),
        ({"answer": {"kind": "approve", "edit": {"amount": 1}}}, 422, "invalid"),
        ({"answer": {"kind": "reject"}}, 422, "invalid"),
        ({"answer": {"kind": "perhaps"}}, 422, "invalid"),
    ],
)
async def test_a_decision_that_does_not_fit_changes_nothing(
    built: House, changes: dict[str, Any], status: int, sort: str
) -> None:
    approval = await asked(built, settle("c-1"))
    ann = await built.caller("ann", "adjuster")
    answer = await ann.post(path(approval), json={"answer": YES, "digest": approval.digest} | changes)
    assert problem(answer) == (status, sort), answer.text
    assert await built.store.approval(approval.id) == approval
    if sort == "wrong-digest":
        assert answer.json()["present"] == approval.digest


async def test_a_decision_for_a_run_that_was_cancelled_is_refused(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    ann = await built.caller("ann", "adjuster")
    await built.runtime.cancel(approval.run_id)
    answer = await ann.post(path(approval), json={"answer": YES, "digest": approval.digest})
    assert problem(answer) == (410, "approval-over")


async def test_many_are_decided_at_once_and_recorded_singly(built: House) -> None:
    approvals = [await asked(built, settle(f"c-{n}")) for n in range(3)]
    other = await asked(built, settle("c-9", to="role:lead"))
    ann = await built.caller("ann", "adjuster")
    reject = {"kind": "reject", "reason": "too late"}
    named = await ann.post("/api/approvals/decisions", json={"ids": [approvals[0].id, other.id], "answer": reject})
    first, second = named.json()["outcomes"]
    assert (first["state"], second["problem"]["type"]) == ("rejected", "/problems/not-allowed")
    rest = await ann.post("/api/approvals/decisions", json={"which": {"tool": "pay"}, "answer": reject})
    assert {one["id"] for one in rest.json()["outcomes"]} == {approvals[1].id, approvals[2].id}
    assert await result(built, approvals[2].run_id) == "rejected: too late"
    assert problem(await ann.post("/api/approvals/decisions", json={"answer": reject})) == (422, "invalid")


async def test_of_many_those_are_decided_that_are_what_was_displayed(built: House) -> None:
    first, second = [await asked(built, settle(f"c-{n}", quorum=2)) for n in range(2)]
    ann, bo = [await built.caller(name, "adjuster") for name in ("ann", "bo")]
    more = {"answer": {"kind": "approve", "edits": {"amount": 9000}}, "digest": first.digest}
    assert (await bo.post(path(first), json=more)).json()["state"] == "pending"
    shown = {one.id: one.digest for one in (first, second)}
    answer = (await ann.post("/api/approvals/decisions", json={"shown": shown, "answer": YES})).json()["outcomes"]
    assert (answer[0]["problem"]["type"], answer[1]["state"]) == ("/problems/wrong-digest", "pending")
    assert [len((await ann.get(f"/api/approvals/{one.id}")).json()["votes"]) for one in (first, second)] == [1, 1]
    both = {"shown": shown, "ids": [first.id], "answer": YES}
    assert problem(await ann.post("/api/approvals/decisions", json=both)) == (422, "invalid")


async def test_the_inbox_is_read_page_by_page(built: House) -> None:
    ids = {(await asked(built, settle(f"c-{n}"))).id for n in range(5)}
    ann = await built.caller("ann", "adjuster")
    found: list[str] = []
    cursor = ""
    while not found or cursor:
        page = (await ann.get("/api/approvals", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        found += [case["id"] for case in page["approvals"]]
        cursor = page["next"]
    assert (len(found), set(found)) == (5, ids)
    for odd in ("x", "1.2.3", "9" * 30 + ".1", "-1.1"):
        assert problem(await ann.get("/api/approvals", params={"cursor": odd}))[0] == 422, odd


async def test_a_case_is_handed_to_others(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    ann, eve = await built.caller("ann", "adjuster"), await built.caller("eve", "lead")
    lost = await ann.post(path(approval, "reassignment"), json={"to": ["eve", "evee"]})
    assert problem(lost)[0] == 422 and "nobody is known as 'evee'" in lost.text
    handed = await ann.post(path(approval, "reassignment"), json={"to": ["role:lead"], "why": "too much for me"})
    assert handed.json()["to"] == ["role:lead"]
    (case,) = (await eve.get("/api/approvals")).json()["approvals"]
    assert (case["id"], case["hops"][0]["why"]) == (approval.id, "too much for me")


async def test_standing_approvals_are_made_listed_and_ended(built: House) -> None:
    ann = await built.caller("ann", "adjuster")
    made = await ann.post("/api/standing", json={"tool": "pay", "to": ["role:adjuster"], "at_most": {"amount": 100}})
    assert (made.status_code, made.json()["by"]) == (201, "ann"), made.text
    run = await built.start(settle("c-1"))
    assert (await result(built, run)).startswith("paid 90")
    assert [one["id"] for one in (await ann.get("/api/standing")).json()["standing"]] == [made.json()["id"]]
    assert (await ann.delete(f"/api/standing/{made.json()['id']}")).json() == {"done": True}
    assert (await ann.delete("/api/standing/none")).status_code == 404


async def test_a_browser_decides_with_its_csrf_token_only(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    browser, csrf = await logged_in(built, "adjuster")
    body = {"answer": YES, "digest": approval.digest}
    assert problem(await browser.post(path(approval), json=body)) == (403, "forbidden")
    assert (await browser.post(path(approval), json=body, headers={"X-CSRF-Token": csrf})).status_code == 200


async def test_the_desk_of_a_server_has_the_same_verbs(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await asked(built, settle("c-1")), await asked(built, settle("c-2"))
    monkeypatch.setenv("HOLDFAST_TOKEN", await built.token("ann", "adjuster"))
    ann = Person(name="ann", roles=frozenset({"adjuster"}))
    async with served(built) as url, app.connect(url) as client:
        desk, own = client.inbox, built.runtime.inbox
        assert await desk.inbox(ANYBODY) == await own.inbox(ann)
        assert await desk.inbox(ANYBODY, InboxFilter(limit=1)) == (await own.inbox(ann))[:1]
        assert await desk.case(ANYBODY, first.id) == await own.case(ann, first.id)
        assert await desk.context(ANYBODY, first.id, entries=3) == await own.context(ann, first.id, entries=3)
        with pytest.raises(WrongDigest) as wrong:
            await desk.decide(ANYBODY, first.id, Approve(), digest="0" * 64)
        assert wrong.value.present == first.digest
        with pytest.raises(EditRefused) as refused:
            await desk.decide(ANYBODY, first.id, Approve(edits={"amount": "much"}), digest=first.digest)
        assert "amount" in refused.value.path
        decided = await desk.decide(ANYBODY, first.id, Approve(), digest=first.digest)
        assert decided.decision is not None
        with pytest.raises(AlreadyDecided) as late:
            await desk.decide(ANYBODY, first.id, Reject(reason="no"), digest=first.digest)
        assert (late.value.by, late.value.state, late.value.at > 0) == (("ann",), "approved", True)
        (stale,) = await desk.decide_all(ANYBODY, {second.id: "0" * 64}, Reject(reason="no"))
        assert isinstance(stale.error, WrongDigest)
        (outcome,) = await desk.decide_all(ANYBODY, [first.id], Reject(reason="no"))
        assert isinstance(outcome.error, AlreadyDecided)
        standing = await desk.grant(ANYBODY, Standing(tool="pay", to=("role:adjuster",)))
        assert await desk.standing(ANYBODY) == [standing]
        await desk.revoke(ANYBODY, standing.id)
        assert (await desk.reassign(ANYBODY, second.id, "role:lead", why="away")).to == ("role:lead",)
        with pytest.raises((NotAllowed, UnknownApproval)):
            await desk.case(ANYBODY, second.id)
        assert [one.action for one in await desk.why(ANYBODY, first.id)] == [
            one.action for one in await own.why(ann, first.id)
        ]
