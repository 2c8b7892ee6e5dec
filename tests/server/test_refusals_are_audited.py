"""What is refused before the desk sees it is in the audit trail as well: who, what, why; and nothing has changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from holdfast import codec
from holdfast.approvals.tokens import DecisionTokens
from holdfast.clock import SECOND
from holdfast.errors import StoreBusy
from holdfast.server.edges import RESUME_BODY
from holdfast.server.house import MAX_BODY
from tests.server.house import House, asked, settle
from tests.server.test_people_are_who_they_say import logged_in, problem

YES = {"kind": "approve"}


async def refused(built: House) -> list[tuple[str, str, str, str]]:
    """All refusals: who tried, as what it is noted, about what, and the sort of error."""
    found = [one for one in await built.store.audited(limit=1000) if one.action.endswith(".refused")]
    return [(one.actor, one.action, one.subject, detail(one)["why"].partition(":")[0]) for one in found]


def detail(entry: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(codec.unpack(entry.detail))
    return found


async def test_a_request_without_its_sessions_csrf_token(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    browser, _ = await logged_in(built, "adjuster")
    body = {"answer": YES, "digest": approval.digest}
    assert problem(await browser.post(f"/api/approvals/{approval.id}/decision", json=body)) == (403, "forbidden")
    form = {"do": "approve", "digest": approval.digest, "csrf": "wrong"}
    assert (await browser.post(f"/inbox/{approval.id}", data=form)).status_code == 403
    assert problem(await browser.post("/api/people", json={"name": "bo", "roles": []})) == (403, "forbidden")
    assert (await browser.post("/logout", data={})).status_code == 403
    assert await refused(built) == [
        ("ann", "approval.refused", approval.id, "Refused"),
        ("ann", "approval.refused", approval.id, "Refused"),
        ("ann", "request.refused", "/api/people", "Refused"),
        ("ann", "request.refused", "/logout", "Refused"),
    ]
    (first, *_) = [one for one in await built.store.audited(subject=approval.id) if one.action == "approval.refused"]
    assert detail(first) == {
        "tried": f"POST /api/approvals/{approval.id}/decision", "via": "session",
        "why": "Refused: the request does not hold its session's CSRF token (X-CSRF-Token): load the page again",
    }  # fmt: skip
    assert await built.store.approval(approval.id) == approval
    ann = await built.caller("ann", "adjuster")
    trail = (await ann.get(f"/api/approvals/{approval.id}/trail")).json()["entries"]
    assert trail[-1]["action"] == "approval.refused"


async def test_a_form_that_another_site_sends(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    await built.people.add("ann", ["adjuster"], by="test")
    token = await DecisionTokens(built.store, built.clock).issue(
        "ann", approval.id, run=approval.run_id, digest=approval.digest
    )
    link = await built.people.sessions.link("ann", by="test")
    stranger = await built.client({"sec-fetch-site": "cross-site"})
    sent = await stranger.post(f"/confirm/{approval.id}", data={"token": token, "do": "approve"})
    assert sent.status_code == 403
    assert (await stranger.post(f"/login/{link}")).status_code == 403
    assert await refused(built) == [
        ("anonymous", "approval.refused", approval.id, "Refused"),
        ("anonymous", "request.refused", "/login/…", "Refused"),
    ]
    assert await built.store.approval(approval.id) == approval


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large(built: House, chunked: bool) -> None:
    approval, ann = await asked(built, settle("c-1")), await built.caller("ann", "adjuster")

    async def chunks(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 2**16 + 1):
            yield b"x" * 2**16

    for path, size in (("/api/resume/", RESUME_BODY), ("/api/approvals/", MAX_BODY)):
        to = f"{path}{approval.id}" + ("/decision" if "approvals" in path else "")
        content = chunks(size) if chunked else b"x" * (size + 1)
        answer = await ann.post(to, content=content, headers={"content-type": "application/json"})
        assert problem(answer) == (413, "too-large"), path
    found = await refused(built)
    assert [(action, subject, why) for _, action, subject, why in found] == [
        ("approval.refused", approval.id, "TooLarge")
    ] * 2
    assert await built.store.approval(approval.id) == approval


async def test_who_is_not_known_or_may_not_do_it(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    body = {"answer": YES, "digest": approval.digest}
    decision = f"/api/approvals/{approval.id}/decision"
    stranger, forger = await built.client(), await built.client({"authorization": "Bearer hf_forged"})
    viewer = await built.caller("vic", "viewer")
    assert [(await one.post(decision, json=body)).status_code for one in (stranger, forger, viewer)] == [401, 401, 403]
    assert await refused(built) == [
        ("anonymous", "approval.refused", approval.id, "NotAuthenticated"),
        ("anonymous", "approval.refused", approval.id, "NotAuthenticated"),
        ("vic", "approval.refused", approval.id, "ScopeMissing"),
    ]
    assert (await viewer.get(f"/api/approvals/{approval.id}")).status_code == 403
    assert len(await refused(built)) == 3, "looking changes nothing, and is noted where somebody is shown something"


async def test_what_does_not_fit_in_the_browser_or_over_http(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    browser, csrf = await logged_in(built, "adjuster")
    form = {"do": "edit", "digest": approval.digest, "csrf": csrf, "edit:claim": "c-1", "edit:amount": "much"}
    answer = await browser.post(f"/inbox/{approval.id}", data=form)
    assert answer.status_code == 422
    decision = {"answer": {"kind": "approve", "edits": 3}, "digest": "9c"}
    bad = await browser.post(f"/api/approvals/{approval.id}/decision", json=decision, headers={"X-CSRF-Token": csrf})
    assert problem(bad) == (422, "invalid")
    assert await refused(built) == [("ann", "approval.refused", approval.id, "Invalid")] * 2
    assert await built.store.approval(approval.id) == approval


async def test_handing_on_what_has_moved_on(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    browser, csrf = await logged_in(built, "adjuster")
    form = {"do": "reassign", "to": "bo", "digest": "0" * 64, "csrf": csrf}
    assert (await browser.post(f"/inbox/{approval.id}", data=form)).status_code == 409
    ann = await built.caller("ann", "adjuster")
    handed = await ann.post(f"/api/approvals/{approval.id}/reassignment", json={"to": ["bo"], "digest": "0" * 64})
    assert problem(handed) == (409, "wrong-digest")
    assert await refused(built) == [("ann", "approval.refused", approval.id, "WrongDigest")] * 2
    assert await built.store.approval(approval.id) == approval


async def test_a_link_that_a_scanner_follows(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    await built.people.add("ann", ["adjuster"], by="test")
    token = await DecisionTokens(built.store, built.clock).issue(
        "ann", approval.id, run=approval.run_id, digest=approval.digest
    )
    scanner = await built.client()
    assert (await scanner.get(f"/confirm/{approval.id}", params={"token": token})).status_code == 200
    (opened,) = [one for one in await built.store.audited(subject=approval.id) if one.action == "approval.opened"]
    assert (opened.actor, detail(opened)) == ("anonymous", {"person": "ann", "digest": approval.digest})
    assert (await scanner.get(f"/login/{await built.people.sessions.link('ann', by='test')}")).status_code == 200
    assert [one.action for one in await built.store.audited(subject="ann", actor="anonymous")] == ["link.opened"]
    assert await built.store.approval(approval.id) == approval


async def test_a_token_for_an_approval_that_is_not_there(built: House) -> None:
    answer = await (await built.client()).post("/api/resume/none", json={"token": "x", "answer": YES})
    assert problem(answer) == (404, "unknown-approval")
    assert await refused(built) == [("anonymous", "approval.refused", "none", "UnknownApproval")]


async def test_strangers_cannot_fill_the_store(built: House) -> None:
    stranger = await built.client()
    for _ in range(130):
        await stranger.post("/api/people", json={})
    assert len(await refused(built)) == 100
    built.clock.set(built.clock.now() + 2 * SECOND)
    for _ in range(3):
        await stranger.post("/api/people", json={})
    entries = [one for one in await built.store.audited(limit=1000) if one.action == "request.refused"]
    assert [detail(one).get("omitted") for one in entries[-3:]] == [None, 30, None]


async def test_what_cannot_be_audited_is_refused_all_the_same(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: object) -> None:
        raise StoreBusy("the disk is full")

    monkeypatch.setattr(built.store, "audit", busy)
    browser, _ = await logged_in(built)
    assert problem(await browser.post("/api/people", json={})) == (403, "forbidden")
