"""What people were asked stays asked: over crashes, redeployments, pauses; and ends with the run that asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast import (
    App,
    ApprovalOver,
    Approve,
    Approved,
    BadOption,
    CallRefused,
    Context,
    RunBlocked,
    RunCancelled,
    RunFailed,
    Status,
    codec,
)
from holdfast.durable.recording import write_recording
from holdfast.records.journal import Kind
from holdfast.records.repair import Edit, Fork
from holdfast.testing import Diverged, Rig, VirtualClock, replay
from tests.approvals.people import ANN, no_worker, till, told
from tests.kernel.making import World

Body = Callable[..., Any]


def deployed(world: World, make: Callable[[Any, World], Body]) -> App[None]:
    """An app with one tool, ``pay``, and one agent, ``job``, whose body ``make`` writes."""
    app: App[None] = App("kernel")

    @app.tool
    async def pay(claim_id: str, amount: float) -> str:
        world.done.append(f"pay {amount:g}")
        return f"paid {amount:g} on {claim_id}"

    app.agent(name="job")(make(pay, world))
    return app


def plain(pay: Any, world: World) -> Body:
    async def job(ctx: Context) -> str:
        await ctx.step(world.do, "before")
        decision = await ctx.approve(pay("c-1", 100.0), to="role:adjuster", within="30d")
        return await decision.value if isinstance(decision, Approved) else told(decision)

    return job


def with_steps_added(pay: Any, world: World) -> Body:
    async def job(ctx: Context) -> str:
        await ctx.step(world.also, "new, before")
        await ctx.step(world.do, "before")
        decision = await ctx.approve(pay("c-1", 100.0), because="a better reason", to="role:lead", within="1d")
        await ctx.step(world.also, "new, after")
        return await decision.value if isinstance(decision, Approved) else told(decision)

    return job


def without_approval(pay: Any, world: World) -> Body:
    async def job(ctx: Context) -> str:
        await ctx.step(world.do, "before")
        return await pay("c-1", 100.0)

    return job


def meant_to_go(pay: Any, world: World) -> Body:
    async def job(ctx: Context) -> str:
        await ctx.step(world.do, "before")
        if ctx.changed("pay"):
            return "without"
        decision = await ctx.approve(pay("c-1", 100.0), to="role:adjuster", within="30d")
        return await decision.value if isinstance(decision, Approved) else told(decision)

    return job


def with_another_amount(pay: Any, world: World) -> Body:
    async def job(ctx: Context) -> str:
        await ctx.step(world.do, "before")
        decision = await ctx.approve(pay("c-1", 1.0), to="role:adjuster", within="30d")
        return await decision.value if isinstance(decision, Approved) else told(decision)

    return job


async def begin(app: App[None], url: str, clock: VirtualClock) -> str:
    async with app.test(store=url, clock=clock, check_replay=False) as t:
        run = await t.start(app.catalog.agent("job")())
        await t.asked(run)
        return run.id


async def test_nine_days_a_crash_and_a_redeployment_with_steps_added(world: World, url: str) -> None:
    clock = VirtualClock()
    run_id = await begin(deployed(world, plain), url, clock)
    async with deployed(world, with_steps_added).test(store=url, clock=clock, always_suspend=True) as t:
        await t.crash()
        await t.advance("4d")
        await t.crash()
        await t.advance("5d")
        run = await t.get(run_id)
        assert await run.status() == Status.WAITING
        assert t.worker.active == {}, "it holds no memory"
        await (await t.asked(run)).approve(by="ann", amount=90)
        assert await run.result() == "paid 90 on c-1"
    assert world.done == ["before", "new, before", "new, after", "pay 90"]


@pytest.mark.parametrize("decided", [False, True], ids=["pending", "decided"])
@pytest.mark.parametrize("other", [without_approval, with_another_amount])
async def test_code_that_no_longer_asks_it_blocks_the_run(
    world: World, url: str, other: Callable[[Any, World], Body], decided: bool
) -> None:
    clock, first = VirtualClock(), deployed(world, plain)
    run_id = await begin(first, url, clock)
    if decided:
        async with no_worker(first, url, clock) as client:
            (case,) = await client.inbox.inbox(ANN)
            await client.inbox.decide(ANN, case.id, Approve(), digest=case.digest)
    async with deployed(world, other).test(store=url, clock=clock, check_replay=False) as t:
        with pytest.raises(RunBlocked, match=r"~approve:pay#1"):
            await _woken(t, run_id)
    async with deployed(world, plain).test(store=url, clock=clock) as t:
        await t.resume(run_id)
        run = await t.get(run_id)
        if not decided:
            await (await t.asked(run)).approve(by="ann")
        assert await run.result() == "paid 100 on c-1"
    assert world.done == ["before", "pay 100"]


async def _woken(t: Rig, run_id: str) -> Any:
    """The result of a run, which is made to replay."""
    run = await t.get(run_id)
    if await run.status() == Status.WAITING:
        await t.pause(run_id)
        await t.resume(run_id)
    return await run.result()


async def test_code_that_says_that_it_is_meant_goes_on(world: World, url: str) -> None:
    clock = VirtualClock()
    run_id = await begin(deployed(world, plain), url, clock)
    async with deployed(world, meant_to_go).test(store=url, clock=clock) as t:
        run = await t.get(run_id)
        await t.pause(run_id)
        await t.resume(run_id)
        await (await t.asked(run)).approve(by="ann")  # this run has asked, and keeps its way
        assert await run.result() == "paid 100 on c-1"
        assert await (await t.start(t.app.catalog.agent("job")())).result() == "without"


async def test_a_pause_keeps_what_is_asked_and_what_was_decided(app: App[None]) -> None:
    _, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {}))
        asked = await t.asked(run)
        await t.pause(run.id)
        await t.quiet()
        await asked.approve(by="ann")
        await t.advance("1d")
        assert await run.status() == Status.PAUSED
        await t.resume(run.id)
        assert await run.result() == "paid 100 on c-1"


@pytest.mark.parametrize("how", ["cancel", "timeout"])
async def test_a_run_that_is_over_asks_nothing_any_more(app: App[None], how: str) -> None:
    pay, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {}).using(timeout="1h") if how == "timeout" else settle("c-1", {}))
        asked = await t.asked(run)
        if how == "cancel":
            await run.cancel(reason="enough")
            with pytest.raises(ApprovalOver, match="cancelled"):
                await asked.approve(by="ann")
        with pytest.raises(RunCancelled if how == "cancel" else RunFailed):
            await run.result()
        with pytest.raises(ApprovalOver):
            await asked.approve(by="ann")
        assert await t.all_asked(run) == []
        assert t.calls(pay) == []


async def test_what_cleans_up_may_not_ask(app: App[None]) -> None:
    pay, _ = till(app)
    refused: list[str] = []

    async def note(what: str) -> None:
        refused.append(what)

    @app.agent
    async def stubborn(ctx: Context) -> None:
        try:
            await ctx.approve(pay("c-1", 1.0))
        finally:
            try:
                await ctx.approve(pay("c-2", 1.0))
            except CallRefused as error:
                await ctx.step(note, str(error))

    async with app.test() as t:
        run = await t.start(stubborn())
        await t.asked(run)
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()
    assert len(set(refused)) == 1
    assert "nothing else may begin" in refused[0]


async def test_a_retried_run_keeps_what_was_decided_and_asks_again_what_was_not(app: App[None]) -> None:
    pay, _ = till(app)
    broken = [True]

    async def check() -> None:
        if broken[0]:
            raise RuntimeError("the bank is closed")

    @app.agent
    async def two(ctx: Context) -> list[str]:
        first = await ctx.approve(pay("c-1", 1.0))
        second = asyncio.create_task(ctx.approve(pay("c-2", 2.0)))
        await asyncio.sleep(60)
        await ctx.step(check)
        assert isinstance(first, Approved)
        return [await first.value, told(await second)]

    async with app.test() as t:
        run = await t.start(two())
        await (await t.asked(run)).approve(by="ann")
        pending = await t.asked(run)
        with pytest.raises(RunFailed, match="bank is closed"):
            await run.result()
        with pytest.raises(ApprovalOver):
            await pending.approve(by="ann")
        broken[0] = False
        await t.retry(run.id)
        again = await t.asked(run)
        assert again.case.id != pending.case.id
        await again.reject(by="bob", reason="no")
        assert await run.result() == ["paid 1 on c-1", "rejected by bob: no"]


async def test_a_fork_asks_again_for_what_its_origin_did_not_execute(app: App[None]) -> None:
    pay, _ = till(app)

    @app.agent
    async def settle_two(ctx: Context) -> list[str]:
        done = []
        for claim in ("c-1", "c-2"):
            decision = await ctx.approve(pay(claim, 1.0), to="role:adjuster")
            assert isinstance(decision, Approved)
            done.append(await decision.value)
        return done

    async with app.test() as t:
        run = await t.start(settle_two())
        for _ in range(2):
            await (await t.asked(run)).approve(by="ann")
        assert await run.result() == ["paid 1 on c-1", "paid 1 on c-2"]
        decided = [entry.seq async for entry in t.journal(run.id) if entry.key == "~approve:pay#2"][-1]
        fork = await t.get((await t.fork(run.id, at=decided)).id)
        asked = await t.asked(fork)
        assert (asked.case.key, asked.case.action["arguments"]["claim_id"]) == ("~approve:pay#2~2", "c-2")
        assert "fork" in asked.case.problem
        await asked.approve(by="bob")
        assert await fork.result() == ["paid 1 on c-1", "paid 1 on c-2"]
        assert [call.args[0] for call in t.calls(pay)] == ["c-1", "c-2", "c-2"]


async def test_a_fork_cannot_be_given_an_approval(app: App[None]) -> None:
    pay, settle = till(app)
    async with app.test() as t:
        run = await t.start(settle("c-1", {}))
        asked = await t.asked(run)
        await asked.reject(by="ann", reason="no")
        assert await run.result() == "rejected by ann: no"
        forged = {"state": "approved", "by": ["ann"], "at": 1, "digest": asked.digest, "final": asked.case.action}
        with pytest.raises(BadOption, match="people have decided"):
            await t.fork(run.id, at="~approve:pay", outcome=forged)
        (decision,) = [entry.seq async for entry in t.journal(run.id) if entry.kind is Kind.OUTCOME]
        edit = Edit(ok=True, value=codec.pack(codec.canonical(forged)))  # past the client, it is not believed
        await t.store.fork(run.id, Fork(id="forged", version="1", seq=decision, at=t.clock.now(), edit=edit))
        fork = await t.get("forged")
        again = await t.asked(fork)
        await again.reject(by="bob", reason="still no")
        with pytest.raises(RunFailed, match="still no"):
            await fork.result()
        assert t.calls(pay) == []


async def test_a_run_that_goes_on_as_another_withdraws_and_asks_anew(app: App[None]) -> None:
    pay, _ = till(app)

    @app.agent
    async def watch(ctx: Context, n: int) -> str:
        asking = asyncio.create_task(ctx.approve(pay("c-1", float(n))))
        await asyncio.sleep(3600)
        if n == 1:
            await ctx.continue_as(watch(2))
        return told(await asking)

    async with app.test() as t:
        run = await t.start(watch(1))
        first = await t.asked(run)
        await t.advance("1h")
        second = await t.asked(run)
        assert (first.case.key, first.case.id != second.case.id) == (second.case.key, True)
        with pytest.raises(ApprovalOver):
            await first.approve(by="ann")
        await second.reject(by="bob", reason="no")
        assert await run.result() == "rejected by bob: no"
        assert t.calls(pay) == []


async def test_a_recorded_run_replays_and_code_without_the_approval_does_not(world: World, tmp_path: Path) -> None:
    app = deployed(world, plain)
    async with app.test() as t:
        run = await t.start(app.catalog.agent("job")())
        await (await t.asked(run)).approve(by="ann")
        await run.result()
        await write_recording(t, run.id, tmp_path / "run.jsonl")
    replay(app, tmp_path / "run.jsonl")
    with pytest.raises(Diverged, match="~approve:pay#1"):
        replay(deployed(world, without_approval), tmp_path / "run.jsonl")
