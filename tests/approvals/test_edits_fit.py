"""Edits are held to the types of what is edited: at once, with the path; and again by the code that goes on with it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator

from holdfast import App, Approve, Approved, Client, Context, EditRefused, Respond
from tests.approvals.people import ADA, REV, told


class Item(BaseModel):
    name: str
    price: Decimal = Field(ge=0)


class Plan(BaseModel):
    items: list[Item]
    note: str = ""

    @field_validator("note")
    @classmethod
    def not_shouted(cls, note: str) -> str:
        """Something that no JSON Schema says."""
        if note.isupper():
            raise ValueError("do not shout")
        return note


def office(app: App[None]) -> tuple[Any, Any, Any]:
    @app.tool
    async def order(plan: Plan, *tags: str, rush: bool = False, **more: int) -> str:
        prices = ", ".join(f"{item.name} {item.price}" for item in plan.items)
        return f"{prices} {plan.note} {list(tags)} {rush} {more}"

    @app.agent
    async def buy(ctx: Context) -> str:
        decision = await ctx.approve(order(Plan(items=[Item(name="a", price=Decimal("1.50"))]), "x", more=1))
        return await decision.value if isinstance(decision, Approved) else told(decision)

    @app.agent
    async def draft(ctx: Context) -> list[str]:
        decision = await ctx.approve(Plan(items=[]))
        return [decision.value.note, told(decision)] if isinstance(decision, Approved) else [told(decision)]

    return order, buy, draft


@pytest.mark.parametrize(
    ("edits", "path"),
    [
        ({"plan": {"items": [{"name": "a", "price": "free"}]}}, "$.plan.items[0].price"),
        ({"plan": {"items": [], "note": "NOW"}}, "$.plan.note"),
        ({"plan": {"items": [{"price": "1"}]}}, "$.plan.items[0]"),
        ({"plan": {"items": [{"name": "a", "price": -1}]}}, "$.plan.items[0].price"),
        ({"rush": "yes"}, "$.rush"),
        ({"tags": "x"}, "$.tags"),
        ({"more": {"n": "two"}}, "$.more.n"),
        ({"amount": 5}, "$"),
        ({"plan": None}, "$.plan"),
        ({"plan": {"items": [], "note": "\ud800"}}, "$"),
    ],
)
async def test_what_does_not_fit_is_refused_at_once_with_its_path(app: App[None], edits: Any, path: str) -> None:
    order, buy, _ = office(app)
    async with app.test() as t:
        run = await t.start(buy())
        asked = await t.asked(run)
        with pytest.raises(EditRefused) as refused:
            await t.inbox.decide(REV, asked.case.id, Approve(edits=edits), digest=asked.digest)
        assert refused.value.path == path
        assert (await t.inbox.why(ADA, asked.case.id))[-1].action == "approval.refused"
        assert t.calls(order) == []
        await asked.approve(by="ann")
        assert await run.result() == "a 1.50  ['x'] False {'more': 1}"


async def test_what_is_nested_too_deeply_is_refused(app: App[None]) -> None:
    _, buy, _ = office(app)
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    async with app.test() as t:
        asked = await t.asked(await t.start(buy()))
        with pytest.raises(EditRefused):
            await t.inbox.decide(REV, asked.case.id, Approve.model_construct(edits={"plan": deep}))


async def test_what_fits_is_made(app: App[None]) -> None:
    _, buy, _ = office(app)
    async with app.test() as t:
        run = await t.start(buy())
        plan = {"items": [{"name": "b", "price": 2}, {"name": "c", "price": "3.00"}], "note": "ok"}
        await (await t.asked(run)).approve(by="ann", plan=plan, rush=True, tags=["y", "z"])
        assert await run.result() == "b 2, c 3.00 ok ['y', 'z'] True {'more': 1}"


async def test_what_only_the_code_can_refuse_is_asked_again_and_says_why(app: App[None]) -> None:
    _, buy, draft = office(app)
    elsewhere: App[None] = App("a server, which does not have the code")
    async with app.test() as t:
        desk = Client(t.store, elsewhere.catalog, t.clock).inbox
        for call, edits in ((buy(), {"plan": {"items": [], "note": "NOW"}}), (draft(), {"note": "NOW"})):
            run = await t.start(call)
            asked = await t.asked(run)
            await desk.decide(REV, asked.case.id, Approve(edits=edits), digest=asked.digest)
            again = await t.asked(run)
            assert "do not shout" in again.case.problem
            assert again.case.action == asked.case.action
            await again.reject(by="ann", reason="never mind")
            assert "rejected by ann: never mind" in str(await run.result())


async def test_a_value_is_edited_by_field_or_replaced(app: App[None]) -> None:
    _, _, draft = office(app)
    async with app.test() as t:
        run = await t.start(draft())
        await (await t.asked(run)).approve(by="ann", note="edited")
        assert await run.result() == ["edited", "edited by ann"]
        run = await t.start(draft())
        await (await t.asked(run)).answer({"items": [], "note": "replaced"}, by="ann")
        assert await run.result() == ["replaced", "edited by ann"]


async def test_an_answer_is_of_the_type_that_was_asked_for(app: App[None]) -> None:
    @app.agent
    async def ask(ctx: Context) -> tuple[Item, str]:
        return await ctx.ask("Which?", Item), await ctx.ask("Why?", str)

    async with app.test() as t:
        run = await t.start(ask())
        asked = await t.asked(run)
        for answer in (Approve(), Approve(value=5), Approve(edits={"name": "a"}), Respond(text="a")):
            with pytest.raises(EditRefused):
                await t.inbox.decide(REV, asked.case.id, answer)
        await asked.approve(by="ann", name="a", price=1)
        await (await t.asked(run, "Why")).respond(by="ann", text="because")
        assert await run.result() == (Item(name="a", price=Decimal(1)), "because")
