"""Several matters are pending at once, and are answered singly and in any order; many at once, each recorded singly."""

from __future__ import annotations

import asyncio
import time

import pytest

from holdfast import AlreadyDecided, App, Approve, Approved, Context, InboxFilter, NotAllowed, Reject
from tests.approvals.people import ADA, ANN, BOB, EVE, REV, no_worker, till, told


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (2, 1, 0)])
async def test_gathered_approvals_are_answered_in_any_order(app: App[None], order: tuple[int, ...]) -> None:
    pay, _ = till(app)

    @app.agent
    async def settle_all(ctx: Context) -> list[str]:
        async def one(n: int) -> str:
            decision = await ctx.approve(pay(f"c-{n}", float(n)))
            return await decision.value if isinstance(decision, Approved) else told(decision)

        return list(await asyncio.gather(one(0), one(1), one(2)))

    async with app.test() as t:
        run = await t.start(settle_all())
        asked = await t.all_asked(run)
        for n in order:
            await (asked[n].reject(by="ann", reason="no") if n == 1 else asked[n].approve(by="ann"))
            await t.crash()
        assert await run.result() == ["paid 0 on c-0", "rejected by ann: no", "paid 2 on c-2"]


async def test_branches_of_a_map_ask_under_keys_of_their_own(app: App[None]) -> None:
    pay, _ = till(app)

    @app.agent
    async def settle_all(ctx: Context, n: int) -> list[str]:
        async def one(i: int) -> str:
            amount = await ctx.ask(f"How much for {i}?", int)
            decision = await ctx.approve(pay(f"c-{i}", float(amount)))
            return await decision.value if isinstance(decision, Approved) else told(decision)

        return list(await ctx.map(one, list(range(n)), key=str, concurrency=n))

    async with app.test() as t:
        run = await t.start(settle_all(5))
        for asked in reversed(await t.all_asked(run)):
            n = int(asked.case.key.split("/")[1])
            await asked.answer(n * 10, by="ann")
        await t.crash()
        second = await t.all_asked(run)
        keys = sorted(one.case.key.partition("settle_all.")[2] for one in second)
        assert keys == [f"one#1/{n}/~approve:pay#1" for n in range(5)]
        for asked in second:
            await asked.approve(by="ann")
        assert await run.result() == [f"paid {n * 10} on c-{n}" for n in range(5)]


async def test_one_person_is_first_and_the_others_are_told(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {"to": "role:adjuster"}))
        case = (await t.asked(run)).case
        answers = [(who, answer) for who in (ANN, BOB) for answer in (Approve(), Reject(reason="no"))]
        came = await asyncio.gather(
            *(t.inbox.decide(who, case.id, answer, digest=case.digest) for who, answer in answers),
            return_exceptions=True,
        )
        first = [one for one in came if not isinstance(one, BaseException)]
        assert len(first) == 1
        assert all(isinstance(one, AlreadyDecided) for one in came if one is not first[0])
        decision = first[0].decision
        assert decision is not None
        result = await run.result()
        assert result == ("paid 100 on c-1" if decision.state == "approved" else f"rejected by {decision.by[0]}: no")


async def test_a_batch_is_decided_singly(app: App[None]) -> None:
    pay, settle = till(app)
    async with app.test() as t:
        runs = [await t.start(settle(f"c-{n}", {"to": "role:adjuster"}), by="ann" if n == 1 else "") for n in range(4)]
        other = await t.start(settle("c-9", {}))
        cases = [(await t.asked(run)).case for run in runs]
        await t.inbox.decide(BOB, cases[0].id, Reject(reason="no"))
        outcomes = await t.inbox.decide_all(ANN, [case.id for case in cases] + ["nothing"], Approve())
        assert [type(one.error).__name__ for one in outcomes] == [
            "AlreadyDecided", "FourEyes", "NoneType", "NoneType", "UnknownApproval",
        ]  # fmt: skip
        assert await runs[2].result() == "paid 100 on c-2"
        trail = [entry.action for entry in await t.inbox.why(ADA, cases[1].id)]
        assert trail.count("approval.refused") == 1
        assert [one.error for one in await t.inbox.decide_all(REV, InboxFilter(), Approve())] == [None]
        assert await other.result() == "paid 100 on c-9"
        assert await t.inbox.decide_all(EVE, InboxFilter(), Approve()) == []
        assert len(t.calls(pay)) == 3


async def test_a_batch_takes_what_a_query_finds(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        runs = [await t.start(settle(f"c-{n}", {"risk": n})) for n in range(10)]
        await t.quiet()
        page = await t.inbox.inbox(REV, InboxFilter(limit=4))
        assert [case.risk for case in page] == [9, 8, 7, 6]
        page = await t.inbox.inbox(REV, InboxFilter(limit=3, after=t.inbox.cursor(page[-1])))
        assert [case.risk for case in page] == [5, 4, 3]
        outcomes = await t.inbox.decide_all(REV, InboxFilter(min_risk=5, tool="pay"), Reject(reason="too risky"))
        assert len(outcomes) == 5
        assert [await run.result() for run in runs[5:]] == ["rejected by rev: too risky"] * 5
        assert len(await t.inbox.inbox(REV)) == 5
        with pytest.raises(NotAllowed):
            await t.inbox.decide(EVE, page[-1].id, Approve())


@pytest.mark.soak
async def test_ten_thousand_are_decided_in_five_seconds(app: App[None], url: str) -> None:
    @app.agent
    async def many(ctx: Context, n: int) -> int:
        decisions = await asyncio.gather(*(ctx.approve({"claim": i}) for i in range(n)))
        return sum(isinstance(one, Approved) for one in decisions)

    async with app.test(store=url, check_replay=False) as t:
        runs = [await t.start(many(1000)) for _ in range(10)]
        await t.quiet()
    async with no_worker(app, url, t.clock) as client:  # a server, say; workers are other processes
        began = time.perf_counter()
        outcomes = await client.inbox.decide_all(REV, InboxFilter(), Approve())
        took = time.perf_counter() - began
    assert sum(one.error is None for one in outcomes) == 10_000
    async with app.test(store=url, check_replay=False, clock=t.clock) as t:
        assert [await (await t.get(run.id)).result() for run in runs] == [1000] * 10
    print(f"10,000 decided in {took:.2f} s")
    assert took <= 5
