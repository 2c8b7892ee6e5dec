"""Four eyes, roles, quorums: only those who are asked decide, nobody approves what they asked for, all saw the same."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import AlreadyDecided, App, Approve, BadOption, FourEyes, InboxFilter, NotAllowed, Person, Reject, Respond
from tests.approvals.people import ADA, ANN, BOB, EVE, LEA, REV, till


@pytest.mark.parametrize(
    ("to", "may", "may_not"),
    [
        ("role:adjuster", [ANN, BOB, ADA], [LEA, REV, EVE]),
        ("eve", [EVE, ADA], [ANN, REV]),
        (["eve", "role:lead"], [EVE, LEA, ADA], [ANN, REV]),
        ("", [REV, ADA], [ANN, EVE]),
    ],
)
async def test_only_those_who_are_asked_see_and_decide(
    app: App[None], to: Any, may: list[Person], may_not: list[Person]
) -> None:
    _, settle = till(app)
    async with app.test() as t:
        for who in may:
            run = await t.start(settle("c-1", {"to": to}))
            case = (await t.asked(run)).case
            for other in may_not:
                assert await t.inbox.inbox(other) == []
                for attempt in (t.inbox.case, t.inbox.context, t.inbox.why):
                    with pytest.raises(NotAllowed):
                        await attempt(other, case.id)
                with pytest.raises(NotAllowed):
                    await t.inbox.decide(other, case.id, Approve(), digest=case.digest)
            assert [one.id for one in await t.inbox.inbox(who)] == [case.id]
            await t.inbox.decide(who, case.id, Approve(), digest=case.digest)
            assert await run.result() == "paid 100 on c-1"


@pytest.mark.parametrize("own", ["who started it", "on whose behalf"])
async def test_nobody_approves_their_own_request(app: App[None], own: str) -> None:
    pay, settle = till(app)
    options = {"to": "role:adjuster"} | ({"requester": "ann"} if own == "on whose behalf" else {})
    async with app.test() as t:
        run = await t.start(settle("c-1", options), by="ann" if own == "who started it" else "")
        case = (await t.asked(run)).case
        admin = Person(name="ann", roles=frozenset({"admin"}))
        for ann in (ANN, admin):
            assert "four eyes" in (await t.inbox.case(ann, case.id)).why_not
            with pytest.raises(FourEyes):
                await t.inbox.decide(ann, case.id, Approve(edits={"amount": 1}), digest=case.digest)
        assert t.calls(pay) == []
        refused = [entry for entry in await t.inbox.why(ADA, case.id) if entry.action == "approval.refused"]
        assert [entry.actor for entry in refused] == ["ann", "ann"]
        await t.inbox.decide(BOB, case.id, Approve())
        assert await run.result() == "paid 100 on c-1"


async def test_one_may_take_back_ones_own_request(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {"to": "role:adjuster"}), by="ann")
        await (await t.asked(run)).reject(by="ann", reason="a mistake")
        assert await run.result() == "rejected by ann: a mistake"


async def test_children_are_their_starters_too(app: App[None]) -> None:
    _, settle = till(app)

    @app.agent
    async def parent(ctx: Any) -> str:
        return await settle("c-1", {"to": "role:adjuster"})

    async with app.test() as t:
        run = await t.start(parent(), by="ann")
        asked = await t.asked(run)
        assert asked.case.started_by == "ann"
        with pytest.raises(FourEyes):
            await asked.approve(by="ann")
        await asked.approve(by="bob")
        assert await run.result() == "paid 100 on c-1"


async def test_a_quorum_is_of_different_people(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {"to": "role:adjuster", "quorum": 2}))
        asked = await t.asked(run)
        await asked.approve(by="ann")
        with pytest.raises(AlreadyDecided, match="ann has approved"):
            await asked.approve(by="ann")
        case = await t.inbox.case(BOB, asked.case.id)
        assert (case.state, [vote.by for vote in case.votes]) == ("pending", ["ann"])
        await asked.approve(by="bob")
        assert await run.result() == "paid 100 on c-1"


async def test_one_rejection_is_enough(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {"to": "role:adjuster", "quorum": 2}))
        asked = await t.asked(run)
        await asked.approve(by="ann")
        await t.inbox.decide(BOB, asked.case.id, Reject(reason="no"))
        assert await run.result() == "rejected by bob: no"


async def test_an_edit_is_a_new_proposal_and_earlier_votes_fall(app: App[None]) -> None:
    pay, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {"to": "role:adjuster", "quorum": 2}))
        asked = await t.asked(run)
        await asked.approve(by="ann")
        await asked.approve(by="bob", amount=80)
        case = await t.inbox.case(ANN, asked.case.id)
        assert ([vote.by for vote in case.votes], case.action["arguments"]["amount"]) == (["bob"], 80)
        assert case.original is not None
        assert case.original["arguments"]["amount"] == 100
        await asked.approve(by="cid", amount=100)  # back to what was asked for: another proposal again
        await asked.approve(by="ann")
        assert await run.result() == "paid 100 on c-1"
        assert t.calls(pay) == [pay("c-1", 100.0)]
        (told,) = [one.decision for one in await t.inbox.inbox(ADA, InboxFilter(states=()))]
        assert told is not None
        assert (told.by, told.edited) == (("cid", "ann"), False)


async def test_a_response_is_neither_yes_nor_no(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {}))
        await t.inbox.decide(REV, (await t.asked(run)).case.id, Respond(text="ask for photos"))
        assert await run.result() == "rev says ask for photos"


async def test_a_case_is_handed_to_others(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {"to": "role:adjuster"}))
        case = (await t.asked(run)).case
        with pytest.raises(NotAllowed):
            await t.inbox.reassign(EVE, case.id, "eve")
        moved = await t.inbox.reassign(ANN, case.id, "role:lead", why="too large for me")
        assert [(hop.by, hop.to, hop.why) for hop in moved.hops] == [("ann", ("role:lead",), "too large for me")]
        assert await t.inbox.inbox(BOB) == []
        with pytest.raises(NotAllowed, match="asked of role:lead"):
            await t.inbox.decide(BOB, case.id, Approve())
        await t.inbox.decide(LEA, case.id, Approve(), digest=case.digest)
        assert await run.result() == "paid 100 on c-1"


@pytest.mark.parametrize("name", ["role:adjuster", "standing:1", "deadline", "", " ", "a\x00b", "x" * 201])
def test_nobody_has_a_name_that_speaks_for_others(name: str) -> None:
    with pytest.raises(BadOption):
        Person(name=name)


async def test_a_case_is_not_handed_to_fewer_than_have_to_approve(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        case = (await t.asked(await t.start(settle("c-1", {"to": "role:adjuster", "quorum": 2})))).case
        with pytest.raises(BadOption, match="will never approve"):
            await t.inbox.reassign(ANN, case.id, "eve")
        assert (await t.inbox.reassign(ANN, case.id, ["eve", "lea"])).to == ("eve", "lea")
