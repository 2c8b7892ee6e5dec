"""The web inbox without a browser: who sees what, what is refused and why, links that scanners follow, fields."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from holdfast.approvals.case import Case
from holdfast.approvals.tokens import LASTS, DecisionTokens
from holdfast.records.approval import Approval, ApprovalState
from holdfast.server.pages import fields
from tests.server.house import House, asked, ended, result, settle
from tests.server.test_people_are_who_they_say import logged_in


async def sent(browser: httpx2.AsyncClient, path: str, csrf: str, **form: str) -> httpx2.Response:
    return await browser.post(path, data={"csrf": csrf, **form})


async def test_people_are_shown_what_is_asked_of_them_only(built: House) -> None:
    approval, other = await asked(built, settle("c-mine")), await asked(built, settle("c-other", to="role:lead"))
    browser, csrf = await logged_in(built, "adjuster")
    shown = (await browser.get("/inbox")).text
    assert "c-mine" in shown and "c-other" not in shown
    assert "c-mine" not in (await browser.get("/inbox?risk=31")).text
    assert "Nothing matches" in (await browser.get("/inbox?state=rejected")).text
    assert (await browser.get(f"/inbox/{approval.id}")).status_code == 200
    for refused in (
        await browser.get(f"/inbox/{other.id}"),
        await browser.get(f"/inbox/{other.id}/entries/1"),
        await browser.get(f"/inbox/chosen?chosen={other.id}"),
        await sent(browser, f"/inbox/{other.id}", csrf, do="approve", digest=other.digest),
    ):
        assert refused.status_code == 403
    assert await built.store.approval(other.id) == other


@pytest.mark.parametrize("trick", ["\u202e", "\u2066", "\u200b", "\U000e0041"])
async def test_nothing_is_read_as_another_than_it_is(built: House, trick: str) -> None:
    approval = await asked(built, settle(f"DE{trick}1234"))
    browser, _ = await logged_in(built, "adjuster")
    for path in ("/inbox", f"/inbox/{approval.id}", f"/inbox/chosen?chosen={approval.id}"):
        shown = (await browser.get(path)).text
        assert trick not in shown
        assert f"DE{ascii(trick)[1:-1]}1234" in shown


async def test_who_is_not_logged_in_is_sent_to_do_so(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    stranger = await built.client()
    for path in ("/inbox", f"/inbox/{approval.id}", "/inbox/chosen"):
        answer = await stranger.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert (await stranger.post(f"/inbox/{approval.id}", data={"do": "approve"})).status_code == 401


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"do": "approve", "csrf": "wrong"}, 403, "CSRF"),
        ({"do": "approve", "digest": "0" * 64}, 409, "another than what was displayed"),
        ({"do": "approve", "digest": ""}, 409, "another than what was displayed"),
        ({"do": "edit", "edit:amount": "much"}, 422, "this is no number"),
        ({"do": "edit", "edit:amount": "1.5"}, 422, "does not fit at $.amount"),
        ({"do": "edit", "edit:amount": "NaN"}, 422, "this is no number"),
        ({"do": "reject", "reason": "  "}, 422, "write something"),
        ({"do": "respond"}, 422, "write something"),
        ({"do": "reassign", "to": " "}, 422, "reassign to whom"),
        ({"do": "perhaps"}, 422, "choose what to do"),
    ],
)
async def test_what_does_not_fit_changes_nothing_and_is_kept(
    built: House, form: dict[str, str], status: int, said: str
) -> None:
    approval = await asked(built, settle("c-1"))
    browser, csrf = await logged_in(built, "adjuster")
    given = {"csrf": csrf, "digest": approval.digest, "text": "", "why": "typed before"} | form
    answer = await browser.post(f"/inbox/{approval.id}", data=given)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert await built.store.approval(approval.id) == approval
    if status != 403:
        assert "typed before" in answer.text


async def test_a_case_that_is_over_shows_how_and_what_was_typed(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    browser, csrf = await logged_in(built, "adjuster")
    await built.runtime.cancel(approval.run_id)
    await ended(built, approval.run_id)
    answer = await sent(browser, f"/inbox/{approval.id}", csrf, do="reject", digest=approval.digest, reason="mine!")
    assert (answer.status_code, "mine!" in answer.text, "no longer waits" in answer.text) == (410, True, True), (
        answer.text
    )


async def test_several_are_decided_as_they_were_displayed_each_by_itself(built: House) -> None:
    first, second = await asked(built, settle("c-1")), await asked(built, settle("c-2"))
    browser, csrf = await logged_in(built, "adjuster")
    chosen = [f"{first.id} {first.digest}", f"{second.id} {'0' * 64}"]
    form: dict[str, Any] = {"csrf": csrf, "chosen": chosen, "do": "reject"}
    assert (await browser.post("/inbox/chosen", data=form)).status_code == 422  # says no reason
    answer = await browser.post("/inbox/chosen", data=form | {"reason": "too late"})
    assert "another than what was displayed" in answer.text
    assert await result(built, first.run_id) == "rejected: too late"
    assert await built.store.approval(second.id) == second


async def linked(built: House, approval: Approval) -> str:
    await built.people.ensure("ann", ["adjuster"], by="test")
    token = await DecisionTokens(built.store, built.clock).issue(
        "ann", approval.id, run=approval.run_id, digest=approval.digest
    )
    return f"/confirm/{approval.id}?token={token}"


async def test_a_scanner_that_follows_a_link_changes_nothing(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    link, scanner = await linked(built, approval), await built.client()
    before = await built.store.audited(limit=1000)
    for _ in range(2):
        assert "You decide as <b>ann</b>" in (await scanner.get(link)).text
    await scanner.head(link)
    assert await built.store.approval(approval.id) == approval
    after = await built.store.audited(limit=1000)
    assert [entry.action for entry in after[len(before) :]] == ["approval.opened"] * 2


async def test_the_button_behind_a_link_decides_once(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    link, anybody = await linked(built, approval), await built.client()
    form = {"token": urlsplit(link).query.removeprefix("token="), "do": "approve"}
    foreign = await anybody.post(link, data=form, headers={"sec-fetch-site": "cross-site"})
    assert (foreign.status_code, await built.store.approval(approval.id)) == (403, approval)
    assert (await anybody.post(link, data=form | {"do": "reject"})).status_code == 422
    assert (await anybody.post(link, data=form)).headers["location"] == "/confirmed/approved"
    assert await result(built, approval.run_id) == "paid 90 by ann"
    again = await anybody.post(link, data=form)
    assert (again.status_code, "decided already" in again.text) == (409, True)
    assert (await anybody.get(link)).status_code == 410


async def test_a_link_that_is_old_or_forged_says_so(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    link, anybody = await linked(built, approval), await built.client()
    assert "not made by this server" in (await anybody.get(link[:-5])).text
    built.clock.set(built.clock.now() + LASTS)
    assert "expired" in (await anybody.get(link)).text


def case(schema: dict[str, Any], arguments: Any) -> Case:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Case(
        n=1, id="a", run_id="r", root="r", agent="x", version="1", key="k", state=ApprovalState.PENDING, revision=1,
        to=(), risk=0, asked_at=now, due_at=None, kind="call", action={"tool": "t", "arguments": arguments},
        schema=schema, digest="d",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "value", "kind"),
    [
        ({"type": "integer"}, 2**60, "integer"),
        ({"type": "number"}, 0.1, "number"),
        ({"type": "string"}, "a", "text"),
        ({"type": "string"}, "a\nb", "lines"),
        ({"type": "string"}, "a\r\nb", "json"),
        ({"type": "string"}, "\x07", "json"),
        ({"type": "boolean"}, True, "switch"),
        ({"enum": ["a", "b"]}, "b", "choice"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None, "text"),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, "1.10", "text"),
        ({"anyOf": [{"type": "number"}, {"type": "array"}]}, [1], "json"),
        ({"$ref": "#/$defs/It"}, {"x": [1]}, "json"),
        ({}, "a", "text"),
    ],
)
def test_a_field_that_is_sent_back_as_it_was_changes_nothing(schema: dict[str, Any], value: Any, kind: str) -> None:
    whole = {"type": "object", "properties": {"it": schema}, "$defs": {"It": {"type": "object"}}}
    (field,) = made = fields.fields_of(case(whole, {"it": value}))
    back = fields.typed(made, {"edit:it": field.text.replace("\n", "\r\n")})
    assert (field.kind, back[0].changed, back[0].read()) == (kind, False, value)


def test_what_is_typed_is_read_by_its_type() -> None:
    schema = {
        "properties": {
            "amount": {"type": "integer"}, "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "sure": {"type": "boolean"}, "plan": {"type": "array"},
        }
    }  # fmt: skip
    made = fields.fields_of(case(schema, {"amount": 1, "note": "x", "sure": True, "plan": []}))
    form = {"edit:amount": "9007199254740993", "edit:note": "", "edit:sure:there": "1", "edit:plan": "[1,"}
    found, wrong = fields.read(fields.typed(made, form), all=False)
    assert found == {"amount": 9007199254740993, "note": None, "sure": False}
    assert re.match("this is no JSON", wrong["plan"])


async def test_a_value_of_the_journal_is_shown_whole(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    browser, csrf = await logged_in(built, "adjuster")
    await sent(browser, f"/inbox/{approval.id}", csrf, do="approve", digest=approval.digest)
    await result(built, approval.run_id)
    (last,) = [entry for entry in await built.store.journal(approval.run_id, after=0, limit=100) if entry.value][-1:]
    assert "paid 90" in (await browser.get(f"/inbox/{approval.id}/entries/{last.seq}")).text
    assert (await browser.get(f"/inbox/{approval.id}/entries/999")).status_code == 404


async def test_a_case_is_handed_to_others(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    browser, csrf = await logged_in(built, "adjuster")
    await built.caller("bo", "lead")
    form = {"do": "reassign", "to": "role:lead, bo", "digest": approval.digest}
    lost = await sent(browser, f"/inbox/{approval.id}", csrf, **(form | {"to": "boo"}))
    assert lost.status_code == 422 and "nobody is known as" in lost.text
    assert (await sent(browser, f"/inbox/{approval.id}", csrf, **form)).status_code == 303
    assert (await built.store.approval(approval.id)).to == ("role:lead", "bo")  # type: ignore[union-attr]
    assert "Nothing waits for you" in (await browser.get("/inbox")).text


async def test_an_address_with_nothing_at_it_is_a_page_for_people_and_a_problem_for_programs(built: House) -> None:
    browser, _ = await logged_in(built, "adjuster")
    people, programs = {"accept": "text/html"}, {"accept": "application/json"}
    lost = await browser.get("/inboxes", headers=people)
    assert (lost.status_code, "<h1>" in lost.text) == (404, True)
    assert (await browser.get("/inboxes", headers=programs)).json()["type"] == "/problems/not-found"
    assert (await browser.get("/api/nothing", headers=people)).json()["type"] == "/problems/not-found"
    unknown = await browser.get("/inbox/nosuch", headers=people)
    assert unknown.status_code == 404 and "There is no such case" in unknown.text
    assert "sqlite" not in unknown.text and "postgresql" not in unknown.text


async def test_what_is_empty_says_so(built: House) -> None:
    await asked(built, settle(""))
    browser, _ = await logged_in(built, "adjuster")
    assert '<i>claim</i> <span class="blank">empty</span>' in (await browser.get("/inbox")).text
    assert "Nothing is chosen" in (await browser.get("/inbox/chosen")).text
