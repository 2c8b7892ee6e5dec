"""Plain steps can be inserted, removed and reordered under a run in flight; what is recorded is not done again."""

from __future__ import annotations

import asyncio
import logging

import pytest

from holdfast import App, Context
from holdfast.records.journal import Kind, Op
from tests.kernel.making import Deployments, World, journal


async def test_a_step_inserted_before_what_is_recorded_runs_when_the_journal_is_exhausted(
    url: str, world: World
) -> None:
    async def old(ctx: Context) -> list[str]:
        first = await ctx.step(world.do, "a")
        await ctx.promise("go", bool)
        return [first]

    async def new(ctx: Context) -> list[str]:
        inserted = await ctx.step(world.also, "new")
        first = await ctx.step(world.do, "a")
        await ctx.promise("go", bool)
        return [inserted, first, await ctx.step(world.do, "b")]

    assert await Deployments(url).result(old, new) == ["new", "a", "b"]
    assert world.done == ["a", "new", "b"]


async def test_a_step_removed_leaves_its_record_behind(url: str, world: World) -> None:
    async def old(ctx: Context) -> str:
        await ctx.step(world.also, "dropped")
        await ctx.step(world.do, "a")
        await ctx.promise("go", bool)
        return ""

    async def new(ctx: Context) -> str:
        kept = await ctx.step(world.do, "a")
        await ctx.promise("go", bool)
        return kept

    assert await Deployments(url).result(old, new) == "a"
    assert world.done == ["dropped", "a"]


async def test_steps_of_different_functions_may_change_places(url: str, world: World) -> None:
    async def old(ctx: Context) -> list[str]:
        got = [await ctx.step(world.do, "a"), await ctx.step(world.also, "b"), await ctx.step(world.work, "c")]
        await ctx.promise("go", bool)
        return got

    async def new(ctx: Context) -> list[str]:
        got = [await ctx.step(world.work, "c"), await ctx.step(world.also, "b"), await ctx.step(world.do, "a")]
        await ctx.promise("go", bool)
        return [*got, await ctx.step(world.do, "d")]

    assert await Deployments(url).result(old, new) == ["c", "b", "a", "d"]
    assert world.done == ["a", "b", "c", "d"]


async def test_calls_with_keys_of_their_own_may_change_places_and_grow(url: str, world: World) -> None:
    def over(names: list[str]):
        async def body(ctx: Context) -> list[str]:
            got = [await ctx.step(world.do, name).using(key=name) for name in names]
            await ctx.promise("go", bool)
            return got

        return body

    assert await Deployments(url).result(over(["x", "y/z#1", "w"]), over(["w", "new", "y/z#1", "x"])) == [
        "w",
        "new",
        "y/z#1",
        "x",
    ]
    assert world.done == ["x", "y/z#1", "w", "new"]


async def test_a_step_with_other_arguments_keeps_its_record_and_the_drift_is_logged(
    url: str, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def old(ctx: Context) -> str:
        got = await ctx.step(world.do, "old")
        await ctx.promise("go", bool)
        return got

    async def new(ctx: Context) -> str:
        got = await ctx.step(world.do, "new")
        await ctx.promise("go", bool)
        return got

    with caplog.at_level(logging.WARNING, "holdfast.run"):
        assert await Deployments(url).result(old, new, check_replay=False) == "old"
    assert world.done == ["old"]
    (drift,) = {record.getMessage() for record in caplog.records if "other arguments" in record.getMessage()}
    assert "World.do#1" in drift and '"old"' in drift


async def test_clients_and_functions_among_the_arguments_are_no_drift(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Client:
        pass

    async def use(client: object, then: object, n: int) -> int:
        return n

    def body_with(client: Client):
        async def body(ctx: Context) -> int:
            got = await ctx.step(use, client, lambda: client, 1)
            await ctx.promise("go", bool)
            return got

        return body

    assert await Deployments(url).result(body_with(Client()), body_with(Client())) == 1
    assert "other arguments" not in caplog.text


async def test_waits_may_change_too(url: str, world: World) -> None:
    async def old(ctx: Context) -> str:
        await asyncio.sleep(60)
        await ctx.promise("go", bool)
        return ""

    async def new(ctx: Context) -> str:
        await ctx.promise("go", bool)
        await asyncio.sleep(120)
        return await ctx.step(world.do, "end")

    deployments = Deployments(url)
    async with deployments.start(old) as (t, run):
        await t.advance("2m")
        assert [entry.op for entry in await journal(t, run, Kind.FIRED)] == [Op.TIMER]
    async with deployments.go_on(new) as (t, run):
        assert await run.result() == "end"


# -- ctx.changed


async def test_changed_tells_runs_that_began_before_from_those_after(url: str, world: World) -> None:
    pay = App("tools").tool(world.pay)

    async def old(ctx: Context) -> str:
        await ctx.promise("go", bool)
        return await pay("old way")

    async def new(ctx: Context) -> str:
        await ctx.promise("go", bool)
        if ctx.changed("pay"):
            return await ctx.step(world.wire, "new way")
        return await pay("old way")

    assert await Deployments(url).result(old, new) == "new way", "it had not paid yet"
    assert world.done == ["new way"]


async def test_changed_answers_false_where_the_old_way_is_recorded_and_true_ever_after(url: str, world: World) -> None:
    pay = App("tools").tool(world.pay)

    async def old(ctx: Context) -> str:
        await pay("old way")
        await ctx.promise("go", bool)
        return ""

    async def new(ctx: Context) -> list[bool]:
        first = ctx.changed("pay")
        await (ctx.step(world.wire, "new way") if first else pay("old way"))
        await ctx.promise("go", bool)
        second = ctx.changed("pay")
        await (ctx.step(world.wire, "new way") if second else pay("again"))
        return [first, second]

    assert await Deployments(url).result(old, new) == [False, True]
    assert world.done == ["old way", "new way"]


async def test_changed_is_recorded_as_it_was_answered(world: World, url: str) -> None:
    app = App("changed")
    pay = app.tool(world.pay)

    @app.agent
    async def body(ctx: Context) -> bool:
        answer = ctx.changed("pay")
        await pay("here")
        await ctx.promise("go", bool)
        return answer

    async with app.test(always_suspend=True) as t:
        run = await t.start(body())
        await t.quiet()
        await t.crash()
        await t.resolve(f"{run.id}/go", True)
        assert await run.result() is True, "the tool is recorded by now, but the answer was given before"
