"""Code that no longer fits its journal blocks the run and says why; it never diverges silently (11)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from holdfast import App, Context, RunBlocked
from holdfast.durable.points import on_reach
from holdfast.records.journal import Entry
from holdfast.testing import Rig
from holdfast.testing.rig import InjectedCrash
from tests.contract.making import end_lease
from tests.kernel.making import Deployments, World, journal

TOOLS: App[None] = App("tools")


@TOOLS.agent
async def child(ctx: Context, what: str) -> str:
    return what


@TOOLS.agent
async def sibling(ctx: Context, what: str) -> str:
    return what


class Bodies:
    """Pairs of bodies: what was deployed, and what is deployed now; with what the message has to name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pay = App("pay").tool(world.pay)
        self.wire = App("wire").tool(world.wire)

    def guarded(self, kind: str, ctx: Context, what: str):
        if kind == "tool":
            return self.pay(what)
        if kind == "child":
            return child(what)
        return ctx.step(self.world.do, what).using(effect="at_most_once")

    def made(self, kind: str, what: str) -> Callable[..., Any]:
        async def body(ctx: Context) -> str:
            got = await self.guarded(kind, ctx, what)
            await ctx.promise("go", bool)
            return got

        return body

    def left_out(self) -> Callable[..., Any]:
        async def body(ctx: Context) -> str:
            await ctx.promise("go", bool)
            return "without"

        return body

    def another_before(self, kind: str) -> Callable[..., Any]:
        async def body(ctx: Context) -> str:
            await self.wire("first")
            got = await self.guarded(kind, ctx, "100")
            await ctx.promise("go", bool)
            return got

        return body


KINDS = {"tool": "pay#1", "child": "child#1", "at_most_once": "World.do#1"}


async def blocks(
    url: str, old: Callable[..., Any], new: Callable[..., Any], *, key: str, recorded: str, asked: str
) -> None:
    """Going on as ``new`` blocks, says why and writes nothing; put back to ``old``, the run ends as it would have."""
    deployments = Deployments(url)
    deployments.also = TOOLS
    async with deployments.start(old) as (t, run):
        before = await journal(t, run)
        assert before
    async with deployments.go_on(new) as (t, run):
        with pytest.raises(RunBlocked) as blocked:
            await run.result()
        assert blocked.value.message.startswith(f"at {key}: the journal has ")
        assert re.search(f"the journal has .*{recorded}.*; the code now asks for .*{asked}", blocked.value.message), (
            blocked.value.message
        )
        assert await run.status() == "blocked"
        assert await t.why_waiting(await run.info()) == blocked.value.message
        after = await journal(t, run)
        assert_continues(before, after)
        await t.resume(run.id)  # nothing was mended: it blocks again, and harms nothing
        with pytest.raises(RunBlocked):
            await run.result()
        assert await journal(t, run) == after
    async with deployments.go_on(old) as (t, run):
        assert await t.resume(run.id)
        assert not await t.resume(run.id), "it is not blocked any more"
        assert await run.result() == "100"


def assert_continues(before: list[Entry], after: list[Entry]) -> None:
    """Nothing that was recorded changed; only what the run had been told meanwhile may have been added."""
    assert after[: len(before)] == before
    assert all(entry.key == "go" for entry in after[len(before) :]), "nothing that the new code asked for was written"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_guarded_call_that_is_no_longer_made(url: str, world: World, kind: str) -> None:
    bodies = Bodies(world)
    await blocks(
        url,
        bodies.made(kind, "100"),
        bodies.left_out(),
        key=KINDS[kind],
        recorded=KINDS[kind],
        asked="its end, without that call",
    )
    assert len(world.done) <= 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_guarded_call_with_other_arguments(url: str, world: World, kind: str) -> None:
    bodies = Bodies(world)
    await blocks(url, bodies.made(kind, "100"), bodies.made(kind, "999"), key=KINDS[kind], recorded="100", asked="")
    assert "999" not in world.done


@pytest.mark.parametrize("kind", KINDS)
async def test_a_guarded_call_inserted_before_one_that_is_recorded(url: str, world: World, kind: str) -> None:
    bodies = Bodies(world)
    await blocks(
        url,
        bodies.made(kind, "100"),
        bodies.another_before(kind),
        key=KINDS[kind],
        recorded=KINDS[kind],
        asked=r'wire\("first"\)',
    )
    assert "first" not in world.done


async def test_guarded_calls_that_changed_places(url: str, world: World) -> None:
    bodies = Bodies(world)

    async def old(ctx: Context) -> str:
        got = await bodies.pay("100")
        await bodies.wire("200")
        await ctx.promise("go", bool)
        return got

    async def new(ctx: Context) -> str:
        await bodies.wire("200")
        got = await bodies.pay("100")
        await ctx.promise("go", bool)
        return got

    # each is found by its key, in another order: nothing is lost and nothing is done twice
    assert await Deployments(url).result(old, new) == "100"
    assert world.done == ["100", "200"]


async def test_steps_of_one_function_that_changed_places(url: str, world: World) -> None:
    async def old(ctx: Context) -> str:
        first = await ctx.step(world.do, "100")
        await ctx.step(world.do, "200")
        await ctx.promise("go", bool)
        return first

    async def new(ctx: Context) -> str:
        await ctx.step(world.do, "200")
        first = await ctx.step(world.do, "100")
        await ctx.promise("go", bool)
        return first

    await blocks(url, old, new, key="World.do#1", recorded="100", asked="calls were reordered")
    assert world.done == ["100", "200"]


async def test_a_result_type_that_no_longer_fits(url: str, world: World) -> None:
    async def old(ctx: Context) -> str:
        got = await ctx.step(world.do, "100")
        await ctx.promise("go", bool)
        return got

    async def new(ctx: Context) -> str:
        await ctx.step(world.do, "100").using(returns=list[int])
        await ctx.promise("go", bool)
        return ""

    await blocks(url, old, new, key="World.do#1", recorded="World.do#1", asked="a value of another type")


async def test_what_changed_waives_does_not_block(url: str, world: World) -> None:
    bodies = Bodies(world)

    async def new(ctx: Context) -> str:
        ctx.changed("pay")
        await bodies.wire("instead")
        await ctx.promise("go", bool)
        return "went on"

    assert await Deployments(url).result(bodies.made("tool", "100"), new) == "went on"
    assert world.done == ["100", "instead"]


async def test_changed_also_admits_other_arguments_and_keeps_the_record(url: str, world: World) -> None:
    bodies = Bodies(world)

    async def new(ctx: Context) -> str:
        ctx.changed("pay")
        got = await bodies.pay("999")
        await ctx.promise("go", bool)
        return got

    assert await Deployments(url).result(bodies.made("tool", "100"), new) == "100"
    assert world.done == ["100"]


async def test_an_input_that_no_longer_fits_the_agent(url: str, world: World) -> None:
    async def old(ctx: Context, amount: int) -> int:
        await ctx.promise("go", bool)
        return amount

    async def new(ctx: Context, amount: int, currency: str) -> int:
        return amount

    deployments = Deployments(url)
    async with deployments.start(old, 7):
        pass
    async with deployments.go_on(new) as (_, run):
        with pytest.raises(RunBlocked, match="currency"):
            await run.result()
    async with deployments.go_on(old) as (t, run):
        await t.resume(run.id)
        assert await run.result() == 7


async def test_a_run_that_loses_its_worker_three_times_blocks_and_others_go_on(url: str, world: World) -> None:
    app: App[None] = App("deadly")

    @app.agent
    async def deadly(ctx: Context) -> str:
        return await ctx.step(world.do, "boom")

    @app.agent
    async def harmless(ctx: Context) -> str:
        return "fine"

    async with app.test() as t:
        run = await t.start(deadly())
        for _ in range(3):
            await lose_worker(t)
        with pytest.raises(RunBlocked, match="WorkerLost"):
            await run.result()
        assert await (await t.start(harmless())).result() == "fine"
        assert await t.resume(run.id)
        assert await run.result() == "boom"
    assert world.done == ["boom"]


async def lose_worker(t: Rig) -> None:
    """The worker dies at its run's first breath, and its lease ends."""
    died = asyncio.Event()

    def die(point: str, run_id: str) -> None:
        if point == "claimed":
            t.worker.die()
            died.set()
            raise InjectedCrash(point)

    on_reach(die)
    t.worker.poke()
    await died.wait()
    on_reach(None)
    await t.worker.kill()
    end_lease(t.store, t.worker.id)
    t.worker = t._new_worker()
    await t.worker.start()
