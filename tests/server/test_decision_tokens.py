"""A token in a notification decides one approval, once, as its person; any other is told why not, and is audited."""

from __future__ import annotations

import base64
import json

import httpx2
import pytest

from holdfast import codec
from holdfast.approvals.tokens import LASTS, DecisionTokens
from holdfast.records.approval import Approval
from tests.server.house import House, asked, result, settle
from tests.server.test_people_are_who_they_say import problem

YES = {"kind": "approve"}


async def token_of(built: House, approval: Approval, **changes: str) -> str:
    await built.people.ensure("ann", ["adjuster"], by="test")
    claims = {"run": approval.run_id, "digest": approval.digest} | changes
    return await DecisionTokens(built.store, built.clock).issue("ann", changes.get("about", approval.id), **{
        name: value for name, value in claims.items() if name != "about"
    })  # fmt: skip


async def use(built: House, approval: Approval, token: str) -> httpx2.Response:
    stranger = await built.client()
    return await stranger.post(f"/api/resume/{approval.id}", json={"token": token, "answer": YES})


async def refusals(built: House, approval: Approval) -> list[str]:
    found = await built.store.audited(subject=approval.id)
    return [json.loads(codec.unpack(one.detail))["why"] for one in found if one.action == "approval.refused"]


async def test_whoever_holds_a_token_decides_as_its_person(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    answer = await use(built, approval, await token_of(built, approval))
    assert (answer.status_code, answer.json()["decision"]["by"]) == (200, ["ann"])
    assert await result(built, approval.run_id) == "paid 90 by ann"


async def test_a_token_decides_once(built: House) -> None:
    approval = await asked(built, settle("c-1", quorum=2))
    token = await token_of(built, approval)
    assert (await use(built, approval, token)).status_code == 200
    assert problem(await use(built, approval, token)) == (409, "token-used")
    assert await refusals(built, approval) == ["TokenUsed"]


@pytest.mark.parametrize("how", ["changed", "of another key", "unsigned", "cut", "nonsense", "long"])
async def test_a_forged_token_is_refused(built: House, how: str) -> None:
    approval = await asked(built, settle("c-1"))
    token = await token_of(built, approval)
    header, claims, signature = token.split(".")
    if how == "changed":
        body = json.loads(base64.urlsafe_b64decode(claims + "=="))
        body["sub"] = "root"
        token = f"{header}.{base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip('=')}.{signature}"
    elif how == "of another key":
        token = f"{header}.{claims}.{'A' * len(signature)}"
    elif how == "unsigned":
        none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"holdfast-decision"}').decode().rstrip("=")
        token = f"{none}.{claims}."
    else:
        token = {"cut": token[:-5], "nonsense": "a.b", "long": "x" * 8192}[how]
    assert problem(await use(built, approval, token)) == (401, "token-forged")
    assert await refusals(built, approval) == ["TokenForged"]
    assert await built.store.approval(approval.id) == approval


async def test_a_token_expires(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    token = await token_of(built, approval)
    built.clock.set(built.clock.now() + LASTS)
    assert problem(await use(built, approval, token)) == (410, "token-expired")
    assert await refusals(built, approval) == ["TokenExpired"]


async def test_a_token_for_something_else_is_refused(built: House) -> None:
    approval, other = await asked(built, settle("c-1")), await asked(built, settle("c-2"))
    assert problem(await use(built, approval, await token_of(built, other))) == (409, "token-misplaced")
    assert problem(await use(built, approval, await token_of(built, approval, run="other"))) == (409, "token-misplaced")
    assert await refusals(built, approval) == ["TokenMisplaced"] * 2


async def test_a_token_for_what_was_shown_before_is_refused(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    answer = await use(built, approval, await token_of(built, approval, digest="0" * 64))
    assert problem(answer) == (409, "wrong-digest")
    assert len(await refusals(built, approval)) == 1
    assert await built.store.approval(approval.id) == approval


async def test_a_token_lets_nobody_do_more_than_its_person_may_now(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    token = await token_of(built, approval)
    await built.people.set_roles("ann", ["lead"], by="test")
    assert problem(await use(built, approval, token)) == (403, "not-allowed")
    await built.people.remove("ann", by="test")
    assert problem(await use(built, approval, token)) == (409, "token-misplaced")


async def test_a_token_lets_nobody_decide_whose_roles_let_them_decide_nothing(built: House) -> None:
    approval = await asked(built, settle("c-1", to="ann"))
    token = await token_of(built, approval)
    await built.people.set_roles("ann", ["viewer"], by="test")
    assert problem(await use(built, approval, token)) == (403, "scope-missing")
    (refused,) = await refusals(built, approval)
    assert refused.startswith("ScopeMissing")
    assert await built.store.approval(approval.id) == approval


async def test_a_token_of_somebody_who_was_removed_is_not_good_for_who_has_their_name_next(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    token = await token_of(built, approval)
    await built.people.remove("ann", by="test")
    built.clock.set(built.clock.now() + 1)
    await built.people.add("ann", ["adjuster"], by="test")
    assert problem(await use(built, approval, token)) == (409, "token-misplaced")
    stranger = await built.client()
    assert (await stranger.get(f"/confirm/{approval.id}", params={"token": token})).status_code == 410
    assert (await use(built, approval, await token_of(built, approval))).status_code == 200


async def test_an_approval_that_is_not_there_is_said_to_be(built: House) -> None:
    approval = await asked(built, settle("c-1"))
    answer = await (await built.client()).post(
        "/api/resume/none", json={"token": await token_of(built, approval), "answer": YES}
    )
    assert problem(answer) == (404, "unknown-approval")
