"""Deadlines deny, expire, approve within standing limits, or ask others in turn; virtual days pass in no time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import App, ApprovalOver, Approve, BadOption, Call, Context, Escalate, NotAllowed, NotAnswered, codec
from tests.approvals.people import ANN, LEA, till, told

CHAIN = [Escalate("role:lead", within="1d"), Escalate(["eve", "role:boss"], within="4h"), "deny"]


@pytest.mark.parametrize(
    ("on_expire", "end"),
    [
        ("expire", "expired"),
        ("deny", "rejected by deadline: nobody decided in time"),
        ("approve", "expired"),  # no standing approval covers it
    ],
)
async def test_a_deadline_ends_what_was_asked(app: App[None], on_expire: Any, end: str) -> None:
    pay, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {"within": "2d", "on_expire": on_expire}))
        began = t.clock.now()
        assert await run.result() == end
        assert t.clock.now() - began == 2 * 86_400_000_000
        assert t.calls(pay) == []


async def test_others_are_asked_in_turn(app: App[None]) -> None:
    _, settle = till(app, on_expire=CHAIN)
    async with app.test() as t:
        run = await t.start(settle("c-1", {"to": "role:adjuster", "within": "2d"}))
        asked = await t.asked(run)
        assert asked.case.then == ("goes to role:lead for 24 h", "goes to eve, role:boss for 4 h", "it is rejected")
        activations = len(await t.activations(run.id))
        seen = [asked.case.to]
        for span in ("2d", "1d"):
            await t.advance(span)
            seen.append((await t.asked(run)).case.to)
        assert seen == [("role:adjuster",), ("role:lead",), ("eve", "role:boss")]
        assert len(await t.activations(run.id)) <= activations + 1, "an escalation does not wake the run"
        with pytest.raises(NotAllowed):
            await t.inbox.decide(ANN, asked.case.id, Approve())
        await t.advance("4h")
        assert await run.result() == "rejected by deadline: nobody decided in time"


async def test_what_is_too_large_to_be_handed_on_expires_and_keeps_nobody_else_waiting(app: App[None]) -> None:
    @app.agent
    async def ask(ctx: Context, length: int) -> str:
        handed_on = Escalate("role:lead", within="1d")
        return told(await ctx.approve("a plan", because="x" * length, within="1d", on_expire=handed_on))

    async with app.test() as t:
        small = await t.start(ask(0))
        row = await t.store.approval((await t.asked(small)).case.id)
        large = await t.start(ask(codec.MAX_VALUE - len(codec.unpack(row.body)) - 9))
        await t.asked(large)
        await t.advance("1d")
        assert await large.result() == "expired"
        assert (await t.asked(small)).case.to == ("role:lead",)


async def test_whoever_is_asked_next_decides(app: App[None]) -> None:
    _, settle = till(app, on_expire=CHAIN)
    async with app.test() as t:
        run = await t.start(settle("c-1", {"to": "role:adjuster", "within": "2d"}))
        case = (await t.asked(run)).case
        await t.advance("2d")
        await t.inbox.decide(LEA, case.id, Approve(), digest=case.digest)  # what was shown to others is the same
        assert await run.result() == "paid 100 on c-1"


async def test_a_decision_comes_a_moment_before_its_deadline_or_not_at_all(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        for early, end in ((1, "paid 100 on c-1"), (0, "expired")):
            run = await t.start(settle("c-1", {"within": "1h"}))
            asked = await t.asked(run)
            t.clock.set(t.clock.now() + 3_600_000_000 - early)
            if early:
                await asked.approve(by="ann")
            else:
                with pytest.raises(ApprovalOver):
                    await asked.approve(by="ann")
            assert await run.result() == end


async def test_a_question_is_answered_in_time_or_raises(app: App[None]) -> None:
    @app.agent
    async def count(ctx: Context) -> str:
        try:
            return str(await ctx.ask("How many?", int, to="role:adjuster", within="1d"))
        except NotAnswered as error:
            return f"{error.decision}"[:7]

    async with app.test() as t:
        run = await t.start(count())
        await (await t.asked(run, "How many")).answer(7, by="ann")
        assert await run.result() == "7"
        assert await (await t.start(count())).result() == "Expired"


async def test_a_body_that_no_longer_waits_withdraws(app: App[None]) -> None:
    @app.agent
    async def hasty(ctx: Context) -> str:
        try:
            async with asyncio.timeout(3600):
                return told(await ctx.approve("a plan"))
        except TimeoutError:
            await asyncio.sleep(3600)
            return "went on"

    async with app.test() as t:
        run = await t.start(hasty())
        asked = await t.asked(run)
        await t.advance("1h")
        with pytest.raises(ApprovalOver, match="no longer waits"):
            await asked.approve(by="ann")
        await t.crash()
        assert await run.result() == "went on"


@pytest.mark.parametrize(
    "options",
    [
        {"within": "soon"}, {"on_expire": "deny"}, {"within": "1d", "on_expire": "maybe"},
        {"within": "1d", "on_expire": ["deny", "expire"]}, {"to": ["ann"], "quorum": 2}, {"quorum": 0}, {"risk": 101},
        {"to": "role:"}, {"confidence": float("nan")}, {"because": None},
    ],
    ids=str,
)  # fmt: skip
async def test_terms_that_make_no_sense_are_refused_at_once(app: App[None], options: dict[str, Any]) -> None:
    @app.agent
    async def ask(ctx: Context) -> str:
        try:
            await ctx.approve("a plan", **options)
        except BadOption as error:
            return str(error)
        return "asked"

    async with app.test() as t:
        assert await (await t.start(ask())).result() != "asked"


async def test_preconditions_are_calls(app: App[None]) -> None:
    pay, _ = till(app)

    @app.agent
    async def ask(ctx: Context) -> str:
        call: Call[Any] = pay("c-1", 1.0)
        try:
            await ctx.approve(call, provided=[True])  # type: ignore[list-item]
        except BadOption as error:
            await call
            return str(error)
        return "asked"

    async with app.test() as t:
        assert "preconditions are calls" in await (await t.start(ask())).result()
