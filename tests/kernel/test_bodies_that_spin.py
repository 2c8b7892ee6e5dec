"""A body that spins is named in the log with its stack; it holds up nobody for long, loses no lease, and ends well."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from holdfast import App, Context, RunBlocked, RunFailed, Settings
from holdfast.durable.lease import Lease
from tests.kernel.making import World, result


async def test_many_turns_without_a_wait_end_well_and_others_go_on_meanwhile(app: App, world: World) -> None:
    @app.agent
    async def spin(ctx: Context) -> int:
        turns = 0
        while turns < 30_000 or world.done.count("other") < 3:  # whatever their commits take
            await asyncio.sleep(0)
            turns += 1
        await ctx.step(world.do, "spun")
        return 30_000

    @app.agent
    async def other(ctx: Context) -> str:
        for _ in range(3):
            await ctx.step(world.do, "other")
        return "other"

    async with app.test(settings=Settings(turn=100)) as t:
        spinning = await t.start(spin())
        assert await (await t.start(other())).result() == "other"
        assert await spinning.result() == 30_000
    assert world.done == ["other"] * 3 + ["spun"]


async def test_a_body_that_never_comes_to_rest_is_blocked_and_others_go_on(app: App, world: World) -> None:
    @app.agent
    async def spin(ctx: Context) -> None:
        while not world.done:  # noqa: ASYNC110  # that is the point
            await asyncio.sleep(0)

    @app.agent
    async def other(ctx: Context) -> str:
        return "other"

    async with app.test(settings=Settings(silent=0.3), check_replay=False) as t:
        run, beside = await t.start(spin()), await t.start(other())
        with pytest.raises(RunBlocked, match="spins on callbacks without waiting"):
            await run.result()
        assert await beside.result() == "other"
        world.done.append("mended")
        await t.resume(run.id)
        assert await run.result() is None


async def test_a_body_that_computes_too_long_is_named_with_its_stack_and_keeps_its_lease(
    app: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    renew, renewals = Lease._renew, list[float]()

    def renew_and_note(lease: Lease, began: float) -> bool:
        renewals.append(began)
        return renew(lease, began)

    def said(run_id: str) -> list[str]:
        messages = [record.getMessage() for record in caplog.records]
        return [message for message in messages if f"busy with the body of run {run_id} (crunch)" in message]

    def compute(run_id: str) -> None:
        before, give_up_at = len(renewals), time.monotonic() + 60
        while not (said(run_id) and len(renewals) >= before + 2) and time.monotonic() < give_up_at:
            sum(range(1000))

    @app.agent
    async def crunch(ctx: Context) -> str:
        await ctx.step(world.do, "before")
        compute(ctx.run_id)
        return await ctx.step(world.do, "after")

    monkeypatch.setattr(Lease, "_renew", renew_and_note)
    with caplog.at_level(logging.WARNING, "holdfast.lease"):
        async with app.test(settings=Settings(stall=0.3, lease=5.0), always_suspend=False, check_replay=False) as t:
            run, worker = await t.start(crunch()), t.worker.id
            assert await run.result() == "after"
            assert t.worker.id == worker and len(await t.activations(run.id)) == 1
    (told,) = said(run.id)  # named once, and the lease was renewed all the while
    assert "in crunch" in told and "in compute" in told, "the stack, down to where it computes"
    assert world.done == ["before", "after"]


async def test_a_blocking_step_holds_up_nobody(app: App, world: World) -> None:
    others_went_on = threading.Event()

    def block() -> str:
        return "blocked" if others_went_on.wait(60) else "held up"

    @app.agent
    async def slow(ctx: Context) -> str:
        return await ctx.step(block)

    @app.agent
    async def quick(ctx: Context) -> str:
        return await ctx.step(world.do, "quick")

    async with app.test() as t:
        run = await t.start(slow())
        quickly = await t.start(quick())
        while not world.done:  # noqa: ASYNC110  # real time is the point
            await asyncio.sleep(0.001)
        others_went_on.set()
        assert (await quickly.result(), await run.result()) == ("quick", "blocked")


async def test_an_exit_from_a_body_fails_its_run_and_not_its_worker(app: App) -> None:
    @app.agent
    async def leave(ctx: Context, how: str) -> None:
        raise {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt, "GeneratorExit": GeneratorExit}[how](3)

    @app.agent
    async def stay(ctx: Context) -> str:
        return "here"

    async with app.test() as t:
        for how in ("SystemExit", "KeyboardInterrupt", "GeneratorExit"):
            with pytest.raises(RunFailed, match=how):
                await (await t.start(leave(how))).result()
        assert await (await t.start(stay())).result() == "here"


async def test_a_body_that_cancels_itself_fails(app: App) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        raise asyncio.CancelledError

    with pytest.raises(RunFailed, match="cancelled itself"):
        await result(app, body())
