"""Standing approvals approve within their limits, quota and life, for those who may; and can be revoked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from holdfast import App, Approved, Context, NotAllowed, Person, Standing, UnknownApproval, codec
from holdfast.approvals.deadlines import Deadlines
from holdfast.clock import to_datetime
from holdfast.people import People
from holdfast.records.approval import ApprovalState
from holdfast.records.document import Put
from holdfast.store.desk import ApprovalFilter
from tests.approvals.people import ADA, ANN, BOB, EVE, LEA, told


def shop(app: App[None]) -> tuple[Any, Any, Any]:
    @app.tool
    async def pay(claim_id: str, amount: Decimal) -> str:
        return f"paid {amount}"

    @app.tool
    async def refund(claim_id: str, amount: float) -> str:
        return f"refunded {amount:g}"

    @app.agent
    async def settle(ctx: Context, amount: Decimal, options: dict[str, Any], back: bool = False) -> str:
        call = refund("c-1", float(amount)) if back else pay("c-1", amount)
        decision = await ctx.approve(call, to="role:adjuster", within="2d", **options)
        return f"{await decision.value}, {told(decision)}" if isinstance(decision, Approved) else told(decision)

    return pay, refund, settle


async def by_itself(t: Any, call: Any, **options: Any) -> bool:
    """Whether a run that asks is approved without anybody being asked."""
    run = await t.start(call, **options)
    await t.quiet()
    if not await t.all_asked(run):
        assert "approved by standing:" in await run.result()
        return True
    await run.cancel()
    await t.quiet()
    return False


async def test_what_is_within_the_limits_is_approved_at_once(app: App[None]) -> None:
    pay, _, settle = shop(app)
    async with app.test() as t:
        made = await t.inbox.grant(ANN, Standing(tool="pay", at_most={"amount": Decimal(100)}))
        run = await t.start(settle(Decimal("99.90"), {}))
        assert await run.result() == f"paid 99.90, approved by standing:{made.id}"
        assert t.calls(pay) == [pay("c-1", Decimal("99.90"))]


@pytest.mark.parametrize(
    ("amount", "options", "back", "start"),
    [
        ("100.01", {}, False, {}),  # above
        ("-5", {}, False, {}),  # would give quota back
        ("5", {}, True, {}),  # another tool
        ("5", {"quorum": 2}, False, {}),  # takes two people
        ("5", {}, False, {"by": "ann"}),  # its maker's own run
        ("5", {"requester": "ann"}, False, {}),  # on behalf of its maker
    ],
)
async def test_what_is_not_is_asked(
    app: App[None], amount: str, options: dict[str, Any], back: bool, start: dict[str, Any]
) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        await t.inbox.grant(ANN, Standing(tool="pay", at_most={"amount": Decimal(100)}))
        assert not await by_itself(t, settle(Decimal(amount), options, back), **start)
        assert await by_itself(t, settle(Decimal(5), {}))


async def test_it_is_for_the_agents_that_it_names(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        await t.inbox.grant(ANN, Standing(tool="pay", agents=("another",)))
        assert not await by_itself(t, settle(Decimal(5), {}))
        await t.inbox.grant(ANN, Standing(tool="pay", agents=("settle",)))
        assert await by_itself(t, settle(Decimal(5), {}))


async def test_a_quota_is_used_up_and_comes_back_with_the_next_period(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        await t.inbox.grant(ANN, Standing(tool="pay", count=3, total={"amount": Decimal(100)}, per=86_400))
        assert [await by_itself(t, settle(Decimal(n), {})) for n in (40, 61, 60, 0, 0)] == [
            True,
            False,
            True,
            True,
            False,
        ]
        (used,) = await t.inbox.standing(ANN)
        assert (used.used, used.spent) == (3, {"amount": Decimal(100)})
        await t.advance("1d")
        assert await by_itself(t, settle(Decimal(100), {}))


async def test_many_at_once_do_not_exceed_it(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        await t.inbox.grant(ANN, Standing(tool="pay", count=3))
        runs = await asyncio.gather(*(t.start(settle(Decimal(n), {})) for n in range(8)))
        await t.quiet()
        assert sum([len(await t.all_asked(run)) for run in runs]) == 5


@pytest.mark.parametrize("amount", ["1E+1000000", "9E+999999", "9" * 200])
async def test_an_amount_beyond_all_reckoning_is_asked_and_stops_nobodys_deadline(app: App[None], amount: str) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        await t.inbox.grant(ANN, Standing(tool="pay", total={"amount": Decimal(100)}))
        assert await by_itself(t, settle(Decimal(1), {}))
        run = await t.start(settle(Decimal(amount), {}))
        assert await by_itself(t, settle(Decimal(99), {}))
        assert len(await t.all_asked(run)) == 1
        await t.advance("2d")
        assert await run.result() == "expired"


async def test_workers_that_use_it_at_once_leave_nothing_to_people_that_it_covers(
    app: App[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        await t.inbox.grant(ANN, Standing(tool="pay", count=11))
        with monkeypatch.context() as still:
            still.setattr(Deadlines, "work", idle)
            for n in range(12):
                await t.start(settle(Decimal(n), {}))
            await t.quiet()
            rows = await t.store.due_approvals(now=t.clock.now(), limit=100)
            workers = [Deadlines(t.store, t.clock.now, People(t.store, t.clock)) for _ in range(3)]
            await asyncio.gather(*(one.apply(rows[n::3]) for n, one in enumerate(workers)))
            states = [one.state for one in await t.store.approvals(ApprovalFilter(states=()))]
            assert (states.count(ApprovalState.APPROVED), states.count(ApprovalState.PENDING)) == (11, 1)
            (used,) = await t.inbox.standing(ANN)
            assert used.used == 11


async def idle(_: Deadlines) -> None:
    """A worker that does not get round to it."""


async def test_what_somebody_decides_at_the_same_time_uses_nothing(
    app: App[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        await t.inbox.grant(ANN, Standing(tool="pay"))
        with monkeypatch.context() as still:
            still.setattr(Deadlines, "work", idle)
            await t.start(settle(Decimal(5), {}))
            await t.quiet()
            (row,) = await t.store.due_approvals(now=t.clock.now(), limit=100)
            await t.inbox.reassign(BOB, row.id, "role:adjuster")
            await Deadlines(t.store, t.clock.now, People(t.store, t.clock)).apply([row])
            assert (await t.store.approval(row.id)).state is ApprovalState.PENDING
            (unused,) = await t.inbox.standing(ANN)
            assert unused.used == 0


async def test_one_that_cannot_be_read_stops_nobodys_deadline(app: App[None], caplog: pytest.LogCaptureFixture) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        newer = codec.pack(b'{"tool": "pay", "of_a_newer_version": true}')
        await t.store.put([Put(kind="standing", id="0-newer", revision=0, body=newer)])
        await t.inbox.grant(ANN, Standing(tool="pay"))
        assert await by_itself(t, settle(Decimal(5), {}))
        assert "standing approval 0-newer" in caplog.text


async def test_it_ends(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        ends = to_datetime(t.clock.now()) + timedelta(days=1)
        made = await t.inbox.grant(ANN, Standing(tool="pay", expires_at=ends))
        other = await t.inbox.grant(ANN, Standing(tool="refund"))
        assert await by_itself(t, settle(Decimal(5), {}))
        await t.advance("1d")
        assert not await by_itself(t, settle(Decimal(5), {}))
        assert [one.id for one in await t.inbox.standing(ANN)] == [other.id]
        assert await by_itself(t, settle(Decimal(5), {}, True))
        with pytest.raises(NotAllowed, match="another's"):
            await t.inbox.revoke(BOB, other.id)
        await t.inbox.revoke(ANN, other.id)
        assert not await by_itself(t, settle(Decimal(5), {}, True))
        with pytest.raises(UnknownApproval):
            await t.inbox.revoke(ADA, made.id)


async def test_only_who_may_decide_one_by_one_may_decide_in_advance(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        for who, standing in ((EVE, Standing(tool="pay")), (LEA, Standing(tool="pay", to=("role:adjuster",)))):
            with pytest.raises(NotAllowed):
                await t.inbox.grant(who, standing)
        await t.inbox.grant(LEA, Standing(tool="pay"))  # of what leads are asked
        assert not await by_itself(t, settle(Decimal(5), {}))
        forged = Standing(
            tool="pay", id="mine", by="ann", roles=("admin",), used=-100, made_at=datetime(2000, 1, 1, tzinfo=UTC)
        )
        made = await t.inbox.grant(LEA, forged)
        assert (made.by, made.roles, made.used, made.id == "mine") == ("lea", ("lead",), 0, False)
        assert len(await t.inbox.standing(LEA)) == 2
        assert await t.inbox.standing(ANN) == []


async def test_it_is_looked_at_once_more_at_a_deadline_that_says_so(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        runs = [await t.start(settle(Decimal(5), {"on_expire": end})) for end in ("approve", "expire")]
        await t.quiet()
        made = await t.inbox.grant(ANN, Standing(tool="pay", at_most={"amount": Decimal(100)}))
        await t.advance("1d")
        assert [len(await t.all_asked(run)) for run in runs] == [1, 1], "what was asked before waits for people"
        assert [await run.result() for run in runs] == [f"paid 5, approved by standing:{made.id}", "expired"]


async def test_who_made_it_is_in_the_audit_trail(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        made = await t.inbox.grant(Person(name="ann", roles=frozenset({"adjuster"})), Standing(tool="pay", why="small"))
        run = await t.start(settle(Decimal(5), {}))
        await run.result()
        entries = await t.store.audited(run_id=run.id)
        assert [(entry.actor, entry.action) for entry in entries] == [(f"standing:{made.id}", "approval.approved")]
        assert b'"made_by":"ann"' in entries[0].detail


# -- what its maker may do by now


async def known(t: Any, name: str, *roles: str) -> People:
    """The people of the store, one of whom has these roles."""
    people = People(t.store, t.clock)
    await people.ensure(name, roles, by="test")
    return people


async def test_it_is_worth_nothing_while_its_maker_has_lost_the_role(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        people = await known(t, "ann", "adjuster")
        await t.inbox.grant(ANN, Standing(tool="pay"))
        assert await by_itself(t, settle(Decimal(5), {}))
        await people.set_roles("ann", ["viewer"], by="test")
        assert not await by_itself(t, settle(Decimal(5), {}))
        await people.set_roles("ann", ["adjuster"], by="test")
        assert await by_itself(t, settle(Decimal(5), {}))


async def test_it_is_worth_nothing_once_its_maker_is_gone_whoever_has_their_name_then(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        people = await known(t, "ann", "adjuster")
        await known(t, "root", "admin")
        await t.inbox.grant(ANN, Standing(tool="pay"))
        await people.remove("ann", by="test")
        assert not await by_itself(t, settle(Decimal(5), {}))
        await t.advance("1h")
        await known(t, "ann", "adjuster")
        assert not await by_itself(t, settle(Decimal(5), {}))
        await t.inbox.grant(ANN, Standing(tool="pay"))
        assert await by_itself(t, settle(Decimal(5), {}))


async def test_what_is_asked_of_its_maker_by_name_is_asked_once_they_are_gone(app: App[None]) -> None:
    pay, _, _ = shop(app)

    @app.agent
    async def ask_ann(ctx: Context) -> str:
        decision = await ctx.approve(pay("c-1", Decimal(5)), to="ann")
        return told(decision)

    async with app.test() as t:
        people = await known(t, "ann")
        await known(t, "root", "admin")
        await t.inbox.grant(Person(name="ann"), Standing(tool="pay", to=("ann",)))
        assert await by_itself(t, ask_ann())
        await people.remove("ann", by="test")
        assert not await by_itself(t, ask_ann())


async def test_other_roles_of_its_maker_do_not_widen_it(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        people = await known(t, "lea", "lead")
        await t.inbox.grant(LEA, Standing(tool="pay"))
        await people.set_roles("lea", ["lead", "adjuster", "admin"], by="test")
        assert not await by_itself(t, settle(Decimal(5), {}))


async def test_at_the_deadline_it_is_worth_what_its_maker_may_do_then(app: App[None]) -> None:
    _, _, settle = shop(app)
    async with app.test() as t:
        people = await known(t, "ann", "adjuster")
        options = {"on_expire": "approve"}
        runs = [await t.start(settle(Decimal(5), options)) for _ in range(2)]
        for run in runs:
            await t.asked(run)
        await t.inbox.grant(ANN, Standing(tool="pay"))
        await people.set_roles("ann", ["viewer"], by="test")
        await t.advance("2d")
        assert [await run.result() for run in runs] == ["expired", "expired"]
        assert (await t.inbox.standing(ANN))[0].used == 0
