"""Awaiting an agent's call is a child run: a run of its own, that ends with its parent unless it is detached."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import (
    App,
    BadOption,
    CallReused,
    ChildCancelled,
    ChildFailed,
    Context,
    DuplicateKey,
    RunCancelled,
    UsageError,
)
from holdfast.store.base import RunFilter
from tests.kernel.making import Deployments, World, result


async def test_awaited_it_runs_once_and_gives_its_result(app: App, world: World) -> None:
    @app.agent
    async def child(ctx: Context, n: int) -> dict[int, str]:
        await asyncio.sleep(86_400)
        return {n: await ctx.step(world.do, str(n))}

    @app.agent
    async def parent(ctx: Context) -> list[dict[int, str]]:
        first = await child(1)
        return [first, *await asyncio.gather(child(2), child(3))]

    async with app.test(always_suspend=True) as t:
        run = await t.start(parent())
        assert await run.result() == [{1: "1"}, {2: "2"}, {3: "3"}]
        children = await t.find(RunFilter(parent=run.id))
        assert len(children) == 3 and all(one.root == run.id and one.status == "succeeded" for one in children)
    assert sorted(world.done) == ["1", "2", "3"]


@pytest.mark.parametrize("point", ["committing", "committed", "suspended", "ending", "ended"])
@pytest.mark.parametrize("nth", [1, 2])
async def test_a_crash_anywhere_starts_no_second_child(app: App, world: World, point: str, nth: int) -> None:
    @app.agent
    async def child(ctx: Context) -> str:
        return await ctx.step(world.do, "born")

    @app.agent
    async def parent(ctx: Context) -> str:
        return await child()

    async with app.test(always_suspend=True) as t:
        t.crash_at(point, nth=nth)
        run = await t.start(parent())
        assert await run.result() == "born"
        assert len(await t.find(RunFilter(parent=run.id))) == 1


async def test_started_it_goes_on_beside_its_parent_and_is_awaited_later(app: App, world: World) -> None:
    @app.agent
    async def child(ctx: Context, n: int) -> int:
        await asyncio.sleep(3600)
        return n * 2

    @app.agent
    async def parent(ctx: Context) -> list[int]:
        started = await ctx.start(child(21))
        await ctx.step(world.do, started.id)
        await asyncio.sleep(2 * 3600)
        return [await started.result(), await started.result()]

    async with app.test() as t:
        run = await t.start(parent())
        assert await run.result() == [42, 42]
        assert [one.id for one in await t.find(RunFilter(parent=run.id))] == world.done


async def test_its_result_can_be_awaited_with_a_time_limit(app: App) -> None:
    @app.agent
    async def child(ctx: Context) -> str:
        await asyncio.sleep(3600)
        return "done"

    @app.agent
    async def parent(ctx: Context) -> str:
        started = await ctx.start(child())
        try:
            return await started.result(timeout="1m")
        except TimeoutError:
            return f"late but {await started.result()}"

    assert await result(app, parent()) == "late but done"


async def test_its_failure_reaches_whoever_awaits_it(app: App) -> None:
    @app.agent
    async def grandchild(ctx: Context) -> None:
        raise LookupError("not there")

    @app.agent
    async def child(ctx: Context) -> None:
        await grandchild()

    @app.agent
    async def parent(ctx: Context) -> str:
        try:
            await child()
        except ChildFailed as failed:
            return f"{failed.type_name}: {failed.message}"
        return ""

    said = await result(app, parent())
    assert said.startswith("holdfast.errors.ChildFailed") and "LookupError: not there" in said


async def test_classes_in_raises_come_from_a_child_as_themselves(app: App) -> None:
    @app.agent
    async def child(ctx: Context) -> None:
        raise LookupError("not there")

    @app.agent
    async def parent(ctx: Context) -> str:
        try:
            await child().using(raises=[LookupError])
        except LookupError as error:
            return str(error)
        return ""

    assert await result(app, parent()) == "not there"


async def test_one_that_was_cancelled_says_so(app: App) -> None:
    @app.agent
    async def child(ctx: Context) -> None:
        await asyncio.sleep(3600)

    @app.agent
    async def parent(ctx: Context) -> str:
        started = await ctx.start(child())
        await started.cancel(reason="changed my mind")
        try:
            await started.result()
        except ChildCancelled:
            return "cancelled"
        return ""

    async with app.test() as t:
        run = await t.start(parent())
        assert await run.result() == "cancelled"
        (child_run,) = await t.find(RunFilter(parent=run.id))
        assert child_run.status == "cancelled"


async def test_cancelling_its_await_cancels_the_child(app: App, world: World) -> None:
    @app.agent
    async def child(ctx: Context) -> None:
        try:
            await asyncio.sleep(86_400)
        finally:
            await ctx.step(world.do, "cleaned up")

    @app.agent
    async def parent(ctx: Context) -> str:
        try:
            async with asyncio.timeout(60):
                await child()
        except TimeoutError:
            return "gave up"
        return ""

    async with app.test() as t:
        run = await t.start(parent())
        assert await run.result() == "gave up"
        await t.quiet()
        (child_run,) = await t.find(RunFilter(parent=run.id))
        assert child_run.status == "cancelled"
    assert world.done == ["cleaned up"]


async def test_children_that_nobody_awaited_end_with_their_parent_unless_detached(app: App, world: World) -> None:
    @app.agent
    async def grandchild(ctx: Context) -> None:
        await asyncio.sleep(86_400)
        await ctx.step(world.do, "grandchild")

    @app.agent
    async def child(ctx: Context, name: str) -> str:
        await ctx.start(grandchild())
        await asyncio.sleep(3600)
        return await ctx.step(world.do, name)

    @app.agent
    async def parent(ctx: Context) -> str:
        await ctx.start(child("attached"))
        detached = await ctx.start(child("detached"), detached=True)
        await asyncio.sleep(60)
        return detached.id

    async with app.test() as t:
        run = await t.start(parent())
        detached = await t.get(await run.result())
        await t.quiet()
        statuses = {str(one.status) for one in await t.find(RunFilter(parent=run.id)) if one.id != detached.id}
        assert statuses == {"cancelled"}
        assert await detached.status() in ("waiting", "running")
        assert await detached.result() == "detached"
        await t.advance("2d")
        assert {str(one.status) for one in await t.find(RunFilter(agent="grandchild"))} == {"cancelled"}
    assert world.done == ["detached"]


async def test_two_starts_under_one_key_are_refused(app: App) -> None:
    @app.agent
    async def child(ctx: Context) -> None: ...

    @app.agent
    async def parent(ctx: Context) -> None:
        await ctx.start(child(), key="only")
        with pytest.raises(DuplicateKey, match="only"):
            await ctx.start(child(), key="only")

    await result(app, parent())


async def test_what_is_no_agent_cannot_be_started(app: App, world: World) -> None:
    pay = app.tool(world.pay)

    @app.agent
    async def parent(ctx: Context) -> None:
        for what in (pay("x"), ctx.step(world.do, "x"), world.do):
            with pytest.raises(BadOption, match="only calls of agents"):
                await ctx.start(what)
            if callable(getattr(what, "close", None)):
                what.close()

    await result(app, parent())
    assert world.done == []


async def test_its_status_is_not_for_bodies(app: App) -> None:
    @app.agent
    async def child(ctx: Context) -> None: ...

    @app.agent
    async def parent(ctx: Context) -> None:
        started = await ctx.start(child())
        with pytest.raises(UsageError, match="would not replay"):
            await started.status()
        await started.result()

    await result(app, parent())


async def test_a_call_that_was_started_cannot_be_awaited_too(app: App) -> None:
    @app.agent
    async def child(ctx: Context) -> None: ...

    @app.agent
    async def parent(ctx: Context) -> None:
        call = child()
        await ctx.start(call)
        with pytest.raises(CallReused, match="started already"):
            await call

    await result(app, parent())


async def test_a_child_stays_with_the_version_it_was_started_with(url: str, world: World) -> None:
    """The parent is redeployed beside a newer version of its child: the child in flight is not started again."""

    def parent_of(version: str):
        async def parent(ctx: Context) -> list[str]:
            started = await ctx.start(children[version]())
            await ctx.promise("go", bool)
            return [await started.result(), await children[version]()]

        return parent

    other: App[Any] = App("children")
    children = {}
    for version in ("1", "2"):

        async def child(ctx: Context, version: str = version) -> str:
            await asyncio.sleep(60)
            return f"version {version}"

        children[version] = other.agent(name="child", version=version)(child)

    deployments = Deployments(url)
    deployments.also = other
    assert await deployments.result(parent_of("1"), parent_of("2"), check_replay=False) == ["version 1", "version 2"]


async def test_the_parent_of_a_blocked_child_waits(app: App, world: World) -> None:
    """Blocked is no end: once the child is mended, its parent goes on."""
    wrong = [True]

    @app.agent
    async def child(ctx: Context) -> str:
        got = await ctx.step(world.do, "a").using(returns=int if wrong[0] and world.done else str)
        await asyncio.sleep(60)
        return got

    @app.agent
    async def parent(ctx: Context) -> str:
        return await child()

    async with app.test(always_suspend=True) as t:
        run = await t.start(parent())
        await t.advance("2m")
        (child_run,) = await t.find(RunFilter(parent=run.id))
        assert (child_run.status, await run.status()) == ("blocked", "waiting")
        wrong[0] = False
        await t.resume(child_run.id)
        assert await run.result() == "a"


async def test_cancelling_a_run_whose_child_is_blocked_ends_both(app: App, world: World) -> None:
    @app.agent
    async def child(ctx: Context) -> str:
        got = await ctx.step(world.do, "a").using(returns=int if world.done else str)
        await asyncio.sleep(60)
        return got

    @app.agent
    async def parent(ctx: Context) -> str:
        return await child()

    async with app.test(always_suspend=True, check_replay=False) as t:
        run = await t.start(parent())
        await t.advance("2m")
        await t.cancel(run.id)
        with pytest.raises(RunCancelled):
            await run.result()
        (child_run,) = await t.find(RunFilter(parent=run.id))
        assert child_run.status == "cancelled"
