"""People see what the agent saw: the call, its reasoning, the journal so far, files, and what else waits."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast import App, Approved, Context, InboxFilter
from tests.approvals.people import ADA, ANN, LEA, till


async def test_a_case_tells_all_that_is_to_be_decided(app: App[None]) -> None:
    pay, _ = till(app)

    @app.agent(version="7")
    async def inspect(ctx: Context, claim_id: str) -> str:
        decision = await ctx.approve(
            pay(claim_id, 10.0).given(model="m-1"), because="storm damage", to="role:adjuster", within="2d", risk=70,
            confidence=0.62, requester="zoe",
        )  # fmt: skip
        return await decision.value if isinstance(decision, Approved) else "no"

    async with app.test() as t:
        run = await t.start(inspect("c-1"), by="bob")
        (case,) = await t.inbox.inbox(ANN) if await t.asked(run) else []
        assert (case.run_id, case.agent, case.version, case.key) == (run.id, "inspect", "7", "~approve:pay#1")
        assert (case.because, case.facts) == ("storm damage", {"model": "m-1", "confidence": 0.62})
        assert (case.risk, case.requester, case.started_by, case.why_not) == (70, "zoe", "bob", "")
        assert case.due_at is not None
        assert (case.due_at - case.asked_at).days == 2
        assert case.schema_["required"] == ["claim_id", "amount"]
        assert case.model_dump(mode="json")["schema"] == case.schema_


class Noted:
    """A store that notes what it is asked."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._store, name)


async def test_an_inbox_is_one_question_however_many_cases_it_has(
    app: App[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pay, _ = till(app)

    @app.agent
    async def claim_for(ctx: Context, claim_id: str) -> None:
        await ctx.approve(pay(claim_id, 10.0), to="role:adjuster")

    async with app.test() as t:
        for n in range(5):
            await t.asked(await t.start(claim_for(f"c-{n}"), by=f"starter-{n}"))
        store = Noted(t.inbox._store)
        monkeypatch.setattr(t.inbox, "_store", store)
        cases = await t.inbox.inbox(ANN, InboxFilter(limit=5))
        assert [case.started_by for case in cases] == [f"starter-{n}" for n in range(5)]
        assert store.asked == ["approvals"]


async def test_the_context_is_what_the_agent_saw(app: App[None]) -> None:
    pay, _ = till(app)

    async def read(claim_id: str) -> str:
        return "x" * 100_000

    def write(path: Path) -> int:
        return path.write_text("report")

    @app.agent
    async def inspect(ctx: Context, claim_id: str) -> str:
        await ctx.step(read, claim_id)
        await ctx.step(write, ctx.workspace / "report.txt")
        decisions = await asyncio.gather(
            ctx.approve(pay(claim_id, 10.0), to="role:adjuster"),
            ctx.approve(pay(claim_id, 20.0), to="role:adjuster"),
            ctx.approve(pay(claim_id, 30.0), to="role:lead"),
        )
        return str(len(decisions))

    async with app.test() as t:
        run = await t.start(inspect("c-1"))
        first = await t.asked(run)
        shown = await t.inbox.context(ANN, first.case.id)
        assert (shown.input, shown.earlier) == ({"claim_id": "c-1"}, 0)
        assert [(seen.kind, seen.key.rpartition(".")[2], seen.ok, seen.cut) for seen in shown.journal] == [
            ("step", "read#1", True, True), ("step", "write#1", True, False),
        ]  # fmt: skip
        assert len(shown.journal[0].output) < 10_000
        assert [(file.path, file.size) for file in shown.files] == [("report.txt", 6)]
        assert [case.action["arguments"]["amount"] for case in shown.pending] == [20], (
            "what others are asked is not shown"
        )
        (other,) = await t.inbox.inbox(LEA)
        assert (await t.inbox.context(LEA, other.id)).pending == ()
        assert set(shown.waiting) == {f"~approve:pay#{n}" for n in (1, 2, 3)}
        assert (await t.inbox.context(ANN, first.case.id, entries=1)).earlier == 1


async def test_what_was_shown_is_recorded(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        case = (await t.asked(await t.start(settle("c-1", {"to": "role:adjuster"})))).case
        await t.inbox.case(ANN, case.id)
        trail = await t.inbox.why(ADA, case.id)
        shown = [entry for entry in trail if entry.action == "approval.shown"]
        assert [(entry.actor, entry.detail["digest"]) for entry in shown] == [("ann", case.digest)]


async def test_script_in_any_field_is_text(app: App[None]) -> None:
    script = "<script>alert('x')</script>\x00\x1b[2J"
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle(script, {"to": "role:adjuster"}))
        case = (await t.asked(run)).case
        assert case.action["arguments"]["claim_id"] == script
        await (await t.asked(run)).reject(by="ann", reason=script)
        assert await run.result() == f"rejected by ann: {script}"
