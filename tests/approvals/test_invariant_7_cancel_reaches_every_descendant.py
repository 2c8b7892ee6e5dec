"""Invariant 7: cancel reaches every descendant, also those that wait for people; each undoes what it did, once."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import App, ApprovalOver, Approve, Context, InboxFilter, RunCancelled, RunFilter
from holdfast.records.run import Status
from tests.approvals.people import ADA, till
from tests.kernel.making import World


@pytest.mark.parametrize("crashes", [False, True])
async def test_a_tree_whose_every_run_waits_for_people_is_cancelled(
    app: App[None], world: World, crashes: bool
) -> None:
    pay, _ = till(app)

    async def undo(what: str) -> None:
        world.done.append(what)

    @app.agent
    async def branch(ctx: Context, depth: int) -> None:
        try:
            try:
                asking = ctx.approve(pay(f"c-{depth}", 1.0))
                await (asyncio.gather(asking, branch(depth - 1)) if depth else asking)
            finally:
                await ctx.step(undo, f"{depth}: second")
        finally:
            await ctx.step(undo, f"{depth}: first")

    async with app.test() as t:
        run = await t.start(branch(2))
        await t.all_asked(run)
        await t.quiet()
        cases = await t.inbox.inbox(ADA, InboxFilter(root=run.id))
        assert sorted(case.action["arguments"]["claim_id"] for case in cases) == ["c-0", "c-1", "c-2"]
        await run.cancel(reason="enough")
        if crashes:
            await t.crash()
        with pytest.raises(RunCancelled, match="enough"):
            await run.result()
        await t.quiet()
        assert {one.status for one in await t.find(RunFilter(root=run.id))} == {Status.CANCELLED}
        assert await t.inbox.inbox(ADA, InboxFilter(root=run.id)) == []
        for case in cases:
            with pytest.raises(ApprovalOver):
                await t.inbox.decide(ADA, case.id, Approve(), digest=case.digest)
        for depth in range(3):
            assert [one for one in world.done if one.startswith(f"{depth}:")] == [f"{depth}: second", f"{depth}: first"]
        assert t.calls(pay) == []
