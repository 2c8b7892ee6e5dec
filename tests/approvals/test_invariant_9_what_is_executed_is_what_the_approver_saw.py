"""Invariant 9: what is executed is what the approver saw; decisions cannot be forged, replayed, or applied when stale
or expired.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from holdfast import (
    AlreadyDecided,
    App,
    ApprovalOver,
    Approve,
    Approved,
    BadOption,
    CallReused,
    Context,
    NotApproved,
    Reject,
    RunFailed,
    UnknownApproval,
    WrongDigest,
    codec,
)
from holdfast.records.approval import AuditEntry, Ruled, Ruling
from holdfast.testing import VirtualClock
from tests.approvals.people import ADA, ANN, BOB, no_worker, till, told
from tests.kernel.making import World

TO = {"to": "role:adjuster"}


async def test_what_is_executed_is_what_was_shown(app: App[None]) -> None:
    pay, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", TO))
        asked = await t.asked(run)
        assert asked.case.action == {"tool": "pay", "arguments": {"claim_id": "c-1", "amount": 100.0}}
        await asked.approve(by="ann")
        assert await run.result() == "paid 100 on c-1"
        assert t.calls(pay) == [pay("c-1", 100)]


async def test_what_is_executed_is_what_was_edited(app: App[None]) -> None:
    pay, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", TO))
        await (await t.asked(run)).approve(by="ann", amount=90)
        assert await run.result() == "paid 90 on c-1"
        assert t.calls(pay) == [pay("c-1", 90)]


async def test_arguments_that_were_mutated_are_not_executed(app: App[None]) -> None:
    @app.tool
    async def order(items: list[str]) -> int:
        return len(items)

    @app.agent
    async def buy(ctx: Context) -> str:
        match await ctx.approve(order(["a"])):
            case Approved(value=call):
                call.args[0].append("b")
                try:
                    await call
                except NotApproved as error:
                    return str(error)
        return "executed"

    async with app.test() as t:
        run = await t.start(buy())
        await (await t.asked(run)).approve(by="ann")
        assert "is not what was approved" in await run.result()
        assert t.calls(order) == []


async def test_arguments_that_are_mutated_while_people_think_are_not_executed(app: App[None]) -> None:
    @app.tool
    async def order(items: list[str]) -> list[str]:
        return items

    @app.agent
    async def buy(ctx: Context) -> list[str]:
        items = ["a"]
        asking = asyncio.create_task(ctx.approve(order(items)))
        await asyncio.sleep(60)
        items.append("b")
        decision = await asking
        assert isinstance(decision, Approved)
        return await decision.value

    async with app.test() as t:
        run = await t.start(buy())
        asked = await t.asked(run)
        await t.advance("2m")
        await asked.approve(by="ann")
        assert await run.result() == ["a"]


async def test_arguments_that_are_mutated_while_preconditions_are_looked_at_are_not_executed(app: App[None]) -> None:
    @app.tool
    async def order(items: list[str]) -> int:
        return len(items)

    async def stock() -> int:
        return 9

    @app.agent
    async def buy(ctx: Context) -> str:
        decision = await ctx.approve(order(["a"]), provided=[ctx.step(stock)])
        assert isinstance(decision, Approved)
        making = asyncio.create_task(decision.value)
        await asyncio.sleep(0)  # it looks
        decision.value.args[0].append("b")
        try:
            await making
        except NotApproved as error:
            return str(error)
        return "executed"

    async with app.test() as t:
        run = await t.start(buy())
        await (await t.asked(run)).approve(by="ann")
        assert "is not what was approved" in await run.result()
        assert t.calls(order) == []


@pytest.mark.parametrize("sync", [False, True])
async def test_each_attempt_is_given_what_was_approved_whatever_the_one_before_did_with_it(
    app: App[None], sync: bool
) -> None:
    given: list[list[str]] = []

    def try_to(items: list[str]) -> int:
        given.append(list(items))
        items.append("fee")
        if len(given) < 3:
            raise OSError("the shop is closed")
        return len(items)

    async def soon(items: list[str]) -> int:
        return try_to(items)

    order = app.tool(name="order", retries=5)(try_to if sync else soon)

    @app.agent
    async def buy(ctx: Context) -> int:
        decision = await ctx.approve(order(["a"]))
        assert isinstance(decision, Approved)
        making = asyncio.create_task(decision.value)
        await asyncio.sleep(0.5)  # it was tried once
        decision.value.args[0].append("b")
        return await making

    async with app.test() as t:
        run = await t.start(buy())
        await (await t.asked(run)).approve(by="ann")
        assert await run.result() == 2
        assert given == [["a"]] * 3


async def test_an_approved_call_is_used_once(app: App[None]) -> None:
    pay, _ = till(app)

    @app.agent
    async def twice(ctx: Context) -> str:
        decision = await ctx.approve(pay("c-1", 1.0))
        assert isinstance(decision, Approved)
        first = await decision.value
        try:
            await decision.value
        except CallReused:
            return first
        return "twice"

    async with app.test() as t:
        run = await t.start(twice())
        await (await t.asked(run)).approve(by="ann")
        assert await run.result() == "paid 1 on c-1"
        assert len(t.calls(pay)) == 1


async def test_what_was_approved_cannot_be_made_another(app: App[None]) -> None:
    pay, _ = till(app)

    @app.agent
    async def renamed(ctx: Context) -> str:
        decision = await ctx.approve(pay("c-1", 1.0))
        assert isinstance(decision, Approved)
        try:
            decision.value.using(key="another")
        except BadOption:
            return await decision.value.using(retries=2, timeout="1m")
        return "renamed"

    async with app.test() as t:
        run = await t.start(renamed())
        await (await t.asked(run)).approve(by="ann")
        assert await run.result() == "paid 1 on c-1"


async def test_a_decision_of_something_else_than_was_displayed_is_refused(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", TO | {"quorum": 2}))
        shown = (await t.asked(run)).case
        await t.inbox.decide(ANN, shown.id, Approve(edits={"amount": 9_000}), digest=shown.digest)
        with pytest.raises(WrongDigest) as refused:
            await t.inbox.decide(BOB, shown.id, Approve(), digest=shown.digest)
        assert refused.value.present == (await t.inbox.case(BOB, shown.id)).digest != shown.digest
        await t.inbox.decide(BOB, shown.id, Approve(), digest=refused.value.present)
        assert await run.result() == "paid 9000 on c-1"


async def test_a_digest_of_another_run_is_refused(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        one, other = [await t.asked(await t.start(settle("c-1", TO))) for _ in range(2)]
        assert one.case.action == other.case.action
        assert one.digest != other.digest
        for digest in (other.digest, "", one.digest.upper()):
            with pytest.raises(WrongDigest):
                await t.inbox.decide(ANN, one.case.id, Approve(), digest=digest)


async def test_a_decision_that_is_replayed_is_refused_and_says_who_was_first(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", TO))
        case = (await t.asked(run)).case
        await t.inbox.decide(ANN, case.id, Approve(), digest=case.digest)
        with pytest.raises(AlreadyDecided, match="approved by ann at") as refused:
            await t.inbox.decide(BOB, case.id, Reject(reason="no"), digest=case.digest)
        assert (refused.value.by, refused.value.at) == (("ann",), t.clock.now())
        assert await run.result() == "paid 100 on c-1"
        actions = [entry.action for entry in await t.inbox.why(ADA, case.id)]
        assert actions[-2:] == ["approval.approved", "approval.refused"]


async def test_an_id_that_does_not_exist_is_refused(app: App[None]) -> None:
    till(app)
    async with app.test() as t:
        with pytest.raises(UnknownApproval):
            await t.inbox.decide(ANN, "nothing", Approve())


async def test_a_row_that_was_altered_cannot_be_decided_and_is_not_executed(app: App[None]) -> None:
    pay, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", TO | {"within": "1d"}))
        case = (await t.asked(run)).case
        await _alter(t, case.id, amount=1_000_000)
        with pytest.raises(WrongDigest, match="was altered"):
            await t.inbox.decide(ANN, case.id, Approve(), digest=case.digest)
        await t.advance("1d")
        assert await run.result() == "expired"
        assert t.calls(pay) == []


async def _alter(t: Any, approval_id: str, **arguments: Any) -> None:
    """What somebody could do who can write to the database: change the body, and leave the digest."""
    row = await t.store.approval(approval_id)
    body = json.loads(codec.unpack(row.body))
    body["action"]["arguments"] |= arguments
    ruling = _ruling_on(row, body=codec.pack(json.dumps(body).encode()))
    assert await t.store.rule([ruling]) == [Ruled.APPLIED]


def _ruling_on(row: Any, **changes: Any) -> Ruling:
    fields: dict[str, Any] = {
        "id": row.id, "revision": row.revision, "state": row.state, "to": row.to, "due_at": row.due_at,
        "digest": row.digest, "body": row.body, "decision": None, "at": row.created_at,
        "audit": AuditEntry(at=row.created_at, actor="mallory", action="altered", subject=row.id),
    }  # fmt: skip
    return Ruling(**(fields | changes))


def forgeries(forged: str, row: Any, decision: dict[str, Any]) -> bytes:
    if forged == "arguments":
        decision["final"]["arguments"]["amount"] = 1_000_000
    elif forged == "digest of another run":
        decision["digest"] = "0" * 64
    else:
        decision = {"state": "yes"}
    return codec.pack(json.dumps(decision).encode())


@pytest.mark.parametrize("forged", ["arguments", "digest of another run", "no decision at all"])
async def test_a_decision_that_was_forged_in_the_store_is_not_executed(app: App[None], forged: str) -> None:
    pay, settle = till(app)
    async with app.test(check_replay=False) as t:
        run = await t.start(settle("c-1", TO))
        case = (await t.asked(run)).case
        row = await t.store.approval(case.id)
        decision = {
            "state": "approved", "by": ["mallory"], "at": row.created_at, "digest": row.digest, "final": case.action,
        }  # fmt: skip
        ruling = _ruling_on(row, state="approved", decision=forgeries(forged, row, decision))
        assert await t.store.rule([replace(ruling, state=type(row.state).APPROVED)]) == [Ruled.APPLIED]
        with pytest.raises(RunFailed, match="NotApproved"):
            await run.result()
        assert t.calls(pay) == []


@pytest.mark.parametrize("key", ["~approve:pay#1", "pay#1"])
async def test_nobody_can_speak_for_people_by_resolving_a_promise(app: App[None], key: str) -> None:
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", TO))
        asked = await t.asked(run)
        with pytest.raises(BadOption, match="no promise"):
            await t.resolve(f"{run.id}/{key}", {"state": "approved"})
        with pytest.raises(BadOption, match="no promise"):
            await t.fail(f"{run.id}/{key}", "no")
        await asked.reject(by="ann", reason="no")
        assert await run.result() == "rejected by ann: no"


async def test_an_expired_decision_is_refused_even_before_the_deadline_was_noticed(app: App[None], url: str) -> None:
    _, settle = till(app)
    clock = VirtualClock()
    async with app.test(store=url, clock=clock) as t:
        run = await t.start(settle("c-1", TO | {"within": "1h"}))
        case = (await t.asked(run)).case
    clock.set(clock.now() + 3_600_000_000)  # no worker is there to mind deadlines
    async with no_worker(app, url, clock) as client:
        with pytest.raises(ApprovalOver, match="expired at"):
            await client.inbox.decide(ANN, case.id, Approve(), digest=case.digest)
        assert (await client.inbox.case(ANN, case.id)).state == "expired"
    async with app.test(store=url, clock=clock) as t:
        assert await (await t.get(run.id)).result() == "expired"


BALANCES: list[float] = []


async def balance(account: str) -> float:
    return BALANCES[0]


async def test_stale_preconditions_are_asked_about_again(app: App[None]) -> None:
    pay, _ = till(app)
    BALANCES[:] = [50.0]

    @app.agent
    async def settle_from(ctx: Context) -> str:
        decision = await ctx.approve(pay("c-1", 10.0), provided=[ctx.step(balance, "a-1")], to="role:adjuster")
        try:
            return await decision.value if isinstance(decision, Approved) else told(decision)
        except NotApproved as error:
            return f"not approved: {told(error.decision)}"  # type: ignore[arg-type]

    async with app.test() as t:
        unchanged = await t.start(settle_from())
        asked = await t.asked(unchanged)
        assert [(fact.what, fact.value) for fact in asked.case.provided] == [('balance("a-1")', 50.0)]
        await asked.approve(by="ann")
        assert await unchanged.result() == "paid 10 on c-1"

        for answer, end in (("approve", "paid 10 on c-1"), ("reject", "not approved: rejected by bob: no")):
            run = await t.start(settle_from())
            asked = await t.asked(run)
            BALANCES[0] += 1
            await asked.approve(by="ann")
            again = await t.asked(run)
            assert again.case.id != asked.case.id
            assert 'balance("a-1") was' in again.case.problem
            assert again.case.provided[0].value == BALANCES[0]
            await (again.approve(by="bob") if answer == "approve" else again.reject(by="bob", reason="no"))
            assert await run.result() == end
        assert len(t.calls(pay)) == 2


async def test_a_started_child_is_what_was_approved(app: App[None]) -> None:
    @app.agent
    async def research(ctx: Context, topics: list[str]) -> list[str]:
        return topics

    @app.agent
    async def lead(ctx: Context) -> list[str]:
        decision = await ctx.approve(research(["floods"]))
        assert isinstance(decision, Approved)
        return await (await ctx.start(decision.value)).result()

    async with app.test() as t:
        run = await t.start(lead())
        asked = await t.asked(run)
        assert asked.case.action == {"agent": "research", "version": "1", "arguments": {"topics": ["floods"]}}
        await asked.approve(by="ann", topics=["storms"])
        assert await run.result() == ["storms"]


async def test_values_that_a_float_cannot_hold_are_bound_too(app: App[None], world: World) -> None:
    @app.tool
    async def move(number: int, ratio: float, text: str) -> str:
        return f"{number} {ratio} {text!r}"

    @app.agent
    async def ask(ctx: Context) -> str:
        decision = await ctx.approve(move(2**53 + 1, float("inf"), "a\u2028b"))
        assert isinstance(decision, Approved)
        return await decision.value

    async with app.test() as t:
        run = await t.start(ask())
        asked = await t.asked(run)
        assert asked.case.action["arguments"]["number"] == 2**53 + 1
        await asked.approve(by="ann", number=2**70)
        assert await run.result() == f"{2**70} inf 'a\\u2028b'"
