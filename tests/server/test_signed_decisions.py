"""Another system decides by a message that it signs, as the person whose key it has; any other is told why not, is
audited, and changes nothing.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import standardwebhooks

from holdfast import codec
from holdfast.clock import SECOND, to_datetime
from holdfast.codec import AesGcm
from holdfast.people.keys import KIND, OVERLAP
from holdfast.people.messages import TOLERANCE
from holdfast.records.approval import Approval
from tests.server.house import House, asked, asked_by, result, settle
from tests.server.test_people_are_who_they_say import problem

YES = {"kind": "approve"}


class Erp:
    """A system that decides as somebody, with the specification's own library."""

    def __init__(self, built: House, secret: str, key: str) -> None:
        self.built, self.secret, self.key = built, secret, key

    def content(self, approval: Approval, answer: Any = YES, **changes: Any) -> dict[str, Any]:
        return {"key": self.key, "approval": approval.id, "digest": approval.digest, "answer": answer} | changes

    def headers(self, body: str, message_id: str = "msg-1", at: datetime | None = None) -> dict[str, str]:
        at = at or to_datetime(self.built.clock.now())
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.replace(tzinfo=UTC).timestamp())),
            "webhook-signature": standardwebhooks.Webhook(self.secret).sign(message_id, at, body),
            "content-type": "application/json",
        }

    async def post(self, to: str, body: str, headers: dict[str, str]) -> httpx2.Response:
        return await (await self.built.client()).post(f"/api/resume/{to}", content=body.encode(), headers=headers)

    async def decide(self, approval: Approval, answer: Any = YES, message_id: str = "msg-1", **changes: Any) -> Any:
        body = json.dumps(self.content(approval, answer, **changes))
        return await self.post(approval.id, body, self.headers(body, message_id))


async def erp(built: House, name: str = "erp", *roles: str) -> Erp:
    await built.people.ensure(name, roles or ("adjuster",), by="test")
    secret, key = await built.people.keys.issue(name, by="test")
    return Erp(built, secret, key.id)


async def trail(built: House, approval: Approval, action: str = "approval.refused") -> list[tuple[str, str]]:
    """Who tried or did what, as the audit trail has it."""
    found = [one for one in await built.store.audited(subject=approval.id) if one.action == action]
    return [(one.actor, json.loads(codec.unpack(one.detail)).get("why", "").partition(":")[0]) for one in found]


async def unchanged(built: House, approval: Approval) -> bool:
    return await built.store.approval(approval.id) == approval


async def test_a_signed_message_decides_as_the_person_whose_key_signs_it(built: House) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built)
    answer = await system.decide(approval, {"kind": "approve", "edits": {"amount": 80}})
    assert (answer.status_code, answer.json()["decision"]["by"]) == (200, ["erp"])
    assert await result(built, approval.run_id) == "paid 80 by erp"
    (entry,) = [one for one in await built.store.audited(subject=approval.id) if one.action == "approval.approved"]
    detail = json.loads(codec.unpack(entry.detail))
    assert (entry.actor, detail["via"], detail["displayed"]) == (
        "erp", f"message msg-1 of key {system.key}", approval.digest,
    )  # fmt: skip


@pytest.mark.parametrize("how", ["body", "id", "timestamp", "signature", "secret", "key", "unsigned", "version", "odd"])
async def test_a_forged_message_is_refused(built: House, how: str) -> None:
    approval, system, other = await asked(built, settle("c-1")), await erp(built), await erp(built, "else", "admin")
    body = json.dumps(system.content(approval))
    headers = system.headers(body)
    match how:
        case "body":
            body = json.dumps(system.content(approval, {"kind": "approve", "edits": {"amount": 9000}}))
        case "id":
            headers["webhook-id"] = "msg-2"
        case "timestamp":
            headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
        case "signature":
            headers["webhook-signature"] = f"v1,{'A' * 44} nonsense v1, v1a,== ,"
        case "secret":
            headers = other.headers(body)
        case "key":
            body = json.dumps(system.content(approval, key="01kb0000000000000000000000"))
            headers = system.headers(body)
        case "unsigned":
            headers = {"content-type": "application/json"}
        case "version":
            headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
        case "odd":
            headers["webhook-timestamp"] = "-1e9"
    assert problem(await system.post(approval.id, body, headers)) == (401, "message-forged")
    assert await trail(built, approval) == [("anonymous", "MessageForged")]
    assert await unchanged(built, approval)


@pytest.mark.parametrize("by", [-TOLERANCE - SECOND, TOLERANCE + SECOND])
async def test_a_message_of_another_time_is_refused(built: House, by: int) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built)
    body = json.dumps(system.content(approval))
    headers = system.headers(body, at=to_datetime(built.clock.now() + by))
    assert problem(await system.post(approval.id, body, headers)) == (400, "message-stale")
    assert await trail(built, approval) == [("erp", "MessageStale")]
    assert await unchanged(built, approval)
    assert (await system.decide(approval)).status_code == 200


@pytest.mark.parametrize("by", [-TOLERANCE, TOLERANCE])
async def test_clocks_may_differ_a_little(built: House, by: int) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built)
    body = json.dumps(system.content(approval))
    built.clock.set(built.clock.now() // SECOND * SECOND + SECOND)
    headers = system.headers(body, at=to_datetime(built.clock.now() + by))
    assert (await system.post(approval.id, body, headers)).status_code == 200


async def test_a_message_decides_once(built: House) -> None:
    approval, system = await asked(built, settle("c-1", quorum=2)), await erp(built)
    body = json.dumps(system.content(approval))
    headers = system.headers(body)
    assert (await system.post(approval.id, body, headers)).status_code == 200
    voted = await built.store.approval(approval.id)
    assert problem(await system.post(approval.id, body, headers)) == (409, "message-replayed")
    assert await trail(built, approval) == [("erp", "MessageReplayed")]
    assert await built.store.approval(approval.id) == voted


async def test_a_replay_is_refused_even_when_what_it_saw_has_come_back(built: House) -> None:
    """Its vote has fallen by an edit, and another edit has brought back the very digest that it is of."""
    approval, system = await asked(built, settle("c-1", quorum=2)), await erp(built)
    bo, cy = await built.caller("bo", "adjuster"), await built.caller("cy", "adjuster")
    body = json.dumps(system.content(approval))
    headers = system.headers(body)
    assert (await system.post(approval.id, body, headers)).status_code == 200
    digest = approval.digest
    for somebody, amount in ((bo, 80), (cy, 90)):
        edit = {"answer": {"kind": "approve", "edits": {"amount": amount}}, "digest": digest}
        digest = (await somebody.post(f"/api/approvals/{approval.id}/decision", json=edit)).json()["digest"]
    assert digest == approval.digest
    assert problem(await system.post(approval.id, body, headers)) == (409, "message-replayed")
    assert (await system.decide(approval, message_id="msg-2")).json()["decision"]["by"] == ["cy", "erp"]


async def test_of_two_deliveries_at_once_one_decides(built: House) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built)
    answers = await asyncio.gather(*(system.decide(approval) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
    assert await result(built, approval.run_id) == "paid 90 by erp"


async def test_what_was_decided_stays_so(built: House) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built)
    assert (await system.decide(approval)).status_code == 200
    answer = await system.decide(approval, {"kind": "reject", "reason": "no"}, "msg-2")
    assert problem(answer) == (409, "already-decided")
    assert answer.json()["by"] == ["erp"]


async def test_a_message_that_was_refused_may_be_sent_again(built: House) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built, "erp", "viewer")
    assert problem(await system.decide(approval)) == (403, "scope-missing")
    await built.people.set_roles("erp", ["adjuster"], by="test")
    assert (await system.decide(approval)).status_code == 200


async def test_a_message_for_something_else_is_refused(built: House) -> None:
    approval, other, system = await asked(built, settle("c-1")), await asked(built, settle("c-2")), await erp(built)
    body = json.dumps(system.content(other))
    assert problem(await system.post(approval.id, body, system.headers(body))) == (409, "message-misplaced")
    assert await trail(built, approval) == [("erp", "MessageMisplaced")]
    assert problem(await system.decide(approval, digest=other.digest)) == (409, "wrong-digest")
    assert await trail(built, approval) == [("erp", "MessageMisplaced"), ("erp", "WrongDigest")]
    gone = json.dumps(system.content(approval) | {"approval": "none"})
    assert problem(await system.post("none", gone, system.headers(gone))) == (404, "unknown-approval")
    assert await unchanged(built, approval)


@pytest.mark.parametrize("missing", ["digest", "answer", "approval", "key"])
async def test_a_message_without_what_it_needs_is_refused(built: House, missing: str) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built)
    content = system.content(approval)
    del content[missing]
    body = json.dumps(content)
    answer = await system.post(approval.id, body, system.headers(body))
    assert problem(answer) == (422, "invalid")
    assert missing in answer.json()["detail"]
    assert await unchanged(built, approval)


@pytest.mark.parametrize("body", ["[1]", '"key"', "7", "null", "{}", '{"key": 3}'])
async def test_what_is_no_decision_at_all_is_refused(built: House, body: str) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built)
    assert problem(await system.post(approval.id, body, system.headers(body))) == (422, "invalid")
    assert await trail(built, approval) == [("anonymous", "Invalid")]
    assert await unchanged(built, approval)


async def test_what_is_too_large_is_not_read(built: House) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built)
    answer = await system.decide(approval, {"kind": "respond", "text": "x" * 2**20})
    assert problem(answer) == (413, "too-large")
    assert await unchanged(built, approval)


# -- it may do what its person may


async def test_it_may_do_no_more_than_its_person(built: House) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built, "erp", "auditor")
    assert problem(await system.decide(approval)) == (403, "not-allowed")
    assert await trail(built, approval) == [("erp", "NotAllowed")]
    assert await unchanged(built, approval)


async def test_four_eyes_hold_for_systems_too(built: House) -> None:
    run = await built.start(settle("c-1"), by="erp")
    system = await erp(built)
    approval = await asked_by(built, run)
    answer = await system.decide(approval)
    assert problem(answer) == (403, "four-eyes")
    assert await unchanged(built, approval)


# -- keys


async def test_a_rotated_secret_is_good_for_a_while(built: House) -> None:
    one, two, three = [await asked(built, settle(f"c-{n}")) for n in range(3)]
    system = await erp(built)
    secret, key = await built.people.keys.rotate(system.key, by="test")
    new = Erp(built, secret, key.id)
    assert (await system.decide(one)).status_code == 200
    assert (await new.decide(two, message_id="msg-2")).status_code == 200
    built.clock.set(built.clock.now() + OVERLAP)
    assert problem(await system.decide(three, message_id="msg-3")) == (401, "message-forged")
    assert (await new.decide(three, message_id="msg-4")).status_code == 200


async def test_a_secret_that_others_know_is_worth_nothing_at_once(built: House) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built)
    await built.people.keys.rotate(system.key, by="test", overlap=0)
    assert problem(await system.decide(approval)) == (401, "message-forged")


@pytest.mark.parametrize("how", ["key", "person"])
async def test_a_key_that_is_revoked_or_whose_person_is_gone_is_worth_nothing(built: House, how: str) -> None:
    approval, system = await asked(built, settle("c-1")), await erp(built)
    if how == "key":
        await built.people.keys.revoke(system.key, by="test")
    else:
        await built.people.remove("erp", by="test")
    assert await built.people.keys.list() == []
    assert problem(await system.decide(approval)) == (401, "message-forged")
    assert await unchanged(built, approval)


async def test_keys_are_kept_by_admins_and_all_of_it_is_audited(built: House) -> None:
    root, ann = await built.caller(), await built.caller("ann", "adjuster", "operator")
    made = (await root.post("/api/keys", json={"person": "ann", "label": "erp"})).json()
    assert made["secret"].startswith("whsec_")
    rotated = (await root.post(f"/api/keys/{made['id']}/rotation", json={"overlap": "2h"})).json()
    assert (rotated["id"], rotated["secret"] != made["secret"]) == (made["id"], True)
    (listed,) = (await root.get("/api/keys", params={"person": "ann"})).json()["keys"]
    assert listed == {name: value for name, value in rotated.items() if name != "secret"}
    for answer in (
        await ann.get("/api/keys"),
        await ann.post("/api/keys", json={"person": "ann"}),
        await ann.post(f"/api/keys/{made['id']}/rotation", json={}),
        await ann.delete(f"/api/keys/{made['id']}"),
    ):
        assert problem(answer) == (403, "scope-missing")
    assert (await root.delete(f"/api/keys/{made['id']}")).status_code == 200
    assert problem(await root.delete(f"/api/keys/{made['id']}")) == (404, "not-found")
    assert problem(await root.post("/api/keys", json={"person": "nobody"})) == (404, "unknown-person")
    done = await built.store.audited(subject=made["id"])
    assert [(one.actor, one.action) for one in done] == [
        ("root", "key.issued"), ("root", "key.rotated"), ("root", "key.revoked"),
    ]  # fmt: skip
    assert not any(b"whsec_" in codec.unpack(one.detail) for one in done)


async def test_secrets_are_sealed_where_a_cipher_is_set(built: House) -> None:
    codec.use_cipher(AesGcm({"k": bytes(32)}, current="k"))
    try:
        system = await erp(built)
        (kept,) = await built.store.documents(KIND, now=built.clock.now())
        assert system.secret.encode() not in kept.body
        assert (await system.decide(await asked(built, settle("c-1")))).status_code == 200
    finally:
        codec.use_cipher(None)
