"""A paused run does nothing until somebody resumes it; nothing that it is told meanwhile is lost."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import App, Context, RunBlocked, RunCancelled
from holdfast.durable import activation
from holdfast.errors import WrongState
from holdfast.records.run import Status
from tests.kernel.making import World


@pytest.fixture
def app(world: World) -> App[None]:
    app = App("paused")

    @app.agent
    async def body(ctx: Context) -> str:
        await ctx.step(world.do, "first")
        answer = await ctx.promise("go", str)
        await ctx.step(world.do, answer)
        await asyncio.sleep(3600)
        return await ctx.step(world.do, "last")

    return app


def body(app: App[None]):  # type: ignore[no-untyped-def]
    return app.catalog.agent("body")()


async def test_a_waiting_run_hears_later_what_it_was_told(app: App, world: World) -> None:
    async with app.test() as t:
        run = await t.start(body(app))
        await t.quiet()
        await t.pause(run.id, reason="audit")
        await t.quiet()
        info = await run.info()
        assert info.status == "paused" and "audit" in await t.why_waiting(info)
        await t.resolve(f"{run.id}/go", "go on")
        await t.advance("1h")
        assert world.done == ["first"] and (await run.info()).status == "paused"
        assert await t.resume(run.id) and not await t.resume(run.id)
        assert await run.result() == "last"
        assert (await run.info()).error is None


async def test_timers_fire_late(app: App, world: World) -> None:
    async with app.test() as t:
        run = await t.start(body(app))
        await t.resolve(f"{run.id}/go", "go on")
        await t.quiet()
        await t.pause(run.id)
        await t.advance("9d")
        assert world.done == ["first", "go on"]
        await t.resume(run.id)
        await t.quiet()
        assert (await run.info()).status == "succeeded"


async def test_a_step_at_work_is_recorded_and_nothing_else_begins(app: App, world: World) -> None:
    at_work, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        at_work.set()
        await may_end.wait()
        return await world.do("slow")

    @app.agent
    async def busy(ctx: Context) -> str:
        await ctx.step(slow)
        return await ctx.step(world.do, "next")

    async with app.test() as t:
        run = await t.start(busy())
        await at_work.wait()
        await t.pause(run.id)
        with pytest.raises(WrongState):
            await t.pause(run.id)
        watch = t.store.watch()
        while not t.worker.active[(await run.info()).rid]._leaving:  # until its owner has heard of it
            await watch.wait(0.05)
        watch.close()
        may_end.set()
        await t.quiet()
        assert (await run.info()).status == "paused" and world.done == ["slow"]
        await t.resume(run.id)
        assert await run.result() == "next"
        assert world.done == ["slow", "next"]


@pytest.mark.parametrize("taken_back", [False, True])
async def test_an_owner_that_dies_before_it_has_paused_leaves_it_to_the_next(
    app: App, world: World, taken_back: bool
) -> None:
    at_work = asyncio.Event()

    async def stuck() -> str:
        at_work.set()
        if len(world.done) == 0:
            world.done.append("stuck")
            await asyncio.sleep(3600)
        return await world.do("done")

    @app.agent
    async def busy(ctx: Context) -> str:
        return await ctx.step(stuck)

    async with app.test() as t:
        run = await t.start(busy())
        await at_work.wait()
        await t.pause(run.id)
        if taken_back:
            assert await t.resume(run.id)
        await t.crash()
        await t.quiet()
        assert (await run.info()).status == ("succeeded" if taken_back else "paused")
        assert taken_back or await t.resume(run.id)
        assert await run.result() == "done"


async def test_a_cancel_ends_the_pause(app: App, world: World) -> None:
    @app.agent
    async def careful(ctx: Context) -> None:
        try:
            await ctx.promise("go", bool)
        finally:
            await ctx.step(world.do, "cleaned up")

    async with app.test() as t:
        run = await t.start(careful())
        await t.quiet()
        await t.pause(run.id)
        await t.quiet()
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()
        assert world.done == ["cleaned up"]
        with pytest.raises(WrongState, match="cancelled"):
            await t.pause(run.id)


async def test_paused_children_end_with_their_parent(app: App) -> None:
    @app.agent
    async def child(ctx: Context) -> None:
        await ctx.promise("go", bool)

    @app.agent
    async def parent(ctx: Context) -> None:
        await ctx.start(child())
        await asyncio.sleep(60)

    async with app.test() as t:
        run = await t.start(parent())
        await t.quiet()
        (one,) = [found for found in await t.find() if found.parent]
        await t.pause(one.id)
        await t.quiet()
        await run.result()
        await t.quiet()
        assert (await t.info(one.id)).status == "cancelled"


async def test_a_journal_that_has_grown_too_long_pauses_its_run_and_resuming_gives_it_as_much_again(
    app: App, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activation, "MAX_ENTRIES", 10)

    @app.agent
    async def long(ctx: Context) -> int:
        for n in range(25):
            await ctx.step(world.do, str(n))
        return len(world.done)

    async with app.test() as t:
        run = await t.start(long())
        for _ in range(2):
            with pytest.raises(RunBlocked, match="continue_as"):
                await run.result()
            assert (await run.info()).status is Status.PAUSED
            await t.resume(run.id)
        assert await run.result() == 25
