"""Cancel is a ``CancelledError`` that the body may catch to clean up, for a while; it reaches every descendant (7)."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import App, CallRefused, ChildFailed, Context, RunCancelled, RunFailed, Settings
from holdfast.durable.points import on_reach
from holdfast.store.base import RunFilter
from tests.kernel.making import World


async def cancelled(t, run, *, after: str = "1m") -> RunCancelled:
    await t.advance(after)
    await t.cancel(run.id, reason="enough")
    with pytest.raises(RunCancelled, match="enough") as ended:
        await run.result()
    assert await run.status() == "cancelled"
    return ended.value


@pytest.mark.parametrize("always_suspend", [False, True])
async def test_the_body_sees_cancelled_error_and_may_clean_up_in_steps(
    app: App, world: World, always_suspend: bool
) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(world.do, "begun")
            await asyncio.sleep(86_400)
        except asyncio.CancelledError:
            await ctx.step(world.do, "cleaned up")
            await asyncio.sleep(1)
            await ctx.step(world.work, "cleaned more")
            raise
        return "not cancelled"

    async with app.test(always_suspend=always_suspend) as t:
        await cancelled(t, await t.start(body()))
    assert world.done == ["begun", "cleaned up", "cleaned more"]


async def test_clean_up_in_finally_runs_once_also_through_a_crash(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        try:
            await asyncio.sleep(86_400)
        finally:
            await ctx.step(world.do, "first")
            await ctx.step(world.do, "second")

    async with app.test() as t:
        run = await t.start(body())
        await t.advance("1m")
        t.crash_at("committed", nth=2)  # the first of the clean-up steps
        await cancelled(t, run)
        assert t.crashes == 1
    assert world.done == ["first", "second"]


@pytest.mark.parametrize("end", ["returns", "raises", "swallows and waits"])
async def test_whatever_the_body_makes_of_it_the_run_is_cancelled(app: App, end: str) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        while True:
            try:
                await asyncio.sleep(86_400)
            except asyncio.CancelledError:
                if end == "returns":
                    return "well"
                if end == "raises":
                    raise ValueError("ill") from None

    async with app.test(settings=Settings(grace=30)) as t:
        run = await t.start(body())
        await cancelled(t, run)
        info = await run.info()
        assert info.ended_at is not None and info.cancel_at is not None
        took = (info.ended_at - info.cancel_at) / 1e6
        assert took < 1 if end != "swallows and waits" else 29 < took < 31, "no longer than its grace"


async def test_clean_up_that_takes_longer_than_the_grace_is_cut_off(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        try:
            await asyncio.sleep(86_400)
        finally:
            await ctx.step(world.do, "at once")
            await asyncio.sleep(60)
            await ctx.step(world.do, "too late")

    async with app.test(settings=Settings(grace=30)) as t:
        await cancelled(t, await t.start(body()))
        await t.advance("1h")
    assert world.done == ["at once"]


async def test_while_it_ends_nothing_new_may_begin_but_steps(app: App, world: World) -> None:
    pay = app.tool(world.pay)

    @app.agent
    async def child(ctx: Context) -> None:
        await ctx.step(world.do, "a child")

    @app.agent
    async def body(ctx: Context) -> None:
        try:
            await asyncio.sleep(86_400)
        finally:
            for begin in (
                child,
                lambda: ctx.start(child()),
                lambda: ctx.continue_as(body()),
                lambda: ctx.map(child, [], key=str),
            ):
                try:
                    await begin()
                except CallRefused as refused:
                    assert "enough" in str(refused)
                    await ctx.step(world.do, "refused")
            await pay("tools clean up too")

    async with app.test() as t:
        run = await t.start(body())
        await cancelled(t, run)
        assert await t.find(RunFilter(parent=run.id)) == []
    assert world.done[:3] == ["refused"] * 3 and world.done[-1] == "tools clean up too"


async def test_it_reaches_every_descendant(app: App, world: World) -> None:
    @app.agent
    async def tree(ctx: Context, depth: int, name: str) -> None:
        try:
            if depth == 0:
                await ctx.step(world.do, f"leaf {name}")
                await asyncio.sleep(86_400)
            elif depth == 1:
                await ctx.map(leaf, [f"{name}a", f"{name}b"], key=str)
            else:
                started = await ctx.start(tree(depth - 1, f"{name}s"))
                await asyncio.gather(tree(depth - 1, f"{name}0"), started.result())
        finally:
            await ctx.step(world.do, f"end {name}")

    @app.agent
    async def leaf(ctx: Context, name: str) -> None:
        await tree(0, name)

    async with app.test() as t:
        run = await t.start(tree(3, "r"))
        await t.quiet()
        assert len([one for one in world.done if one.startswith("leaf")]) == 8
        await cancelled(t, run)
        await t.quiet()
        runs = await t.find(RunFilter(limit=1000))
        assert len(runs) == 1 + 2 + 4 + 8 + 8
        assert {str(one.status) for one in runs} == {"cancelled"}
    assert len([one for one in world.done if one.startswith("end")]) == 1 + 2 + 4 + 8


@pytest.mark.parametrize("point", ["effect-ended", "committing", "committed"])
@pytest.mark.parametrize("always_suspend", [False, True])
async def test_a_child_that_is_just_being_started_ends_too(
    app: App, world: World, point: str, always_suspend: bool
) -> None:
    """Whichever is first under the parent's lock: the child is cancelled, or born cancelled, or never born."""

    @app.agent
    async def child(ctx: Context) -> None:
        await asyncio.sleep(60)
        await ctx.step(world.do, "a child")

    @app.agent
    async def parent(ctx: Context) -> None:
        await ctx.step(world.work, "first")
        await asyncio.gather(child(), child(), ctx.map(child_of, [1, 2, 3], key=str))

    @app.agent
    async def child_of(ctx: Context, n: int) -> None:
        await child()

    for nth in (1, 2, 3):
        world.done.clear()
        async with app.test(always_suspend=always_suspend) as t:
            run = await t.start(parent())
            cancelling: list[asyncio.Task[bool]] = []
            left = [nth]

            def cancel(at: str, run_id: str, t=t, run=run, cancelling=cancelling, left=left) -> None:
                if at == point:
                    left[0] -= 1
                    if left[0] == 0:
                        cancelling.append(asyncio.ensure_future(t.cancel(run.id)))

            on_reach(cancel)
            await t.quiet()
            on_reach(None)
            await asyncio.gather(*cancelling)  # else time may pass before it has reached the store
            if not cancelling:
                await t.cancel(run.id)
            await asyncio.gather(*cancelling)  # before time moves: children that have ended cannot be cancelled
            with pytest.raises(RunCancelled):
                await run.result()
            await t.advance("1h")
            assert {str(one.status) for one in await t.find()} == {"cancelled"}
        assert "a child" not in world.done


async def test_a_step_at_work_is_cancelled(app: App, world: World) -> None:
    begun = asyncio.Event()

    async def long() -> None:
        try:
            begun.set()
            await asyncio.sleep(1000)
        finally:
            world.done.append("step cancelled")

    @app.agent
    async def body(ctx: Context) -> None:
        await ctx.step(long)

    async with app.test() as t:
        run = await t.start(body())
        await begun.wait()
        await t.cancel(run.id)
        with pytest.raises(RunCancelled):
            await run.result()
    assert world.done == ["step cancelled"]


async def test_a_run_that_was_never_claimed_ends_at_once_without_running(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        await ctx.step(world.do, "ran")

    async with app.test(settings=Settings(concurrency=0)) as t:  # nobody claims it
        run = await t.start(body())
        assert await t.cancel(run.id) is True
        with pytest.raises(RunCancelled):
            await run.result()
    assert world.done == []


async def test_it_is_harmless_where_it_comes_too_late_or_twice(app: App) -> None:
    @app.agent
    async def quick(ctx: Context) -> int:
        return 1

    @app.agent
    async def slow(ctx: Context) -> int:
        await asyncio.sleep(10)
        return 1

    async with app.test() as t:
        run = await t.start(quick())
        assert await run.result() == 1
        assert await t.cancel(run.id) is False
        assert await run.result() == 1
        run = await t.start(slow())
        await t.quiet()
        assert [await t.cancel(run.id), await t.cancel(run.id)] == [True, False]


async def test_tasks_of_the_body_are_cancelled_with_it(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        async def part(n: int) -> None:
            try:
                await asyncio.sleep(86_400)
            finally:
                await ctx.step(world.do, f"part {n}")

        async with asyncio.TaskGroup() as group:
            for n in range(3):
                group.create_task(part(n))

    async with app.test() as t:
        await cancelled(t, await t.start(body()))
    assert sorted(world.done) == ["part 0", "part 1", "part 2"]


# -- run timeouts


async def test_a_run_timeout_fails_the_run_after_its_clean_up(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await asyncio.sleep(86_400)
        finally:
            await ctx.step(world.do, "cleaned up")
        return "well"

    async with app.test(always_suspend=True) as t:
        run = await t.start(body().using(timeout="1h"))
        begun = t.clock.now()
        with pytest.raises(RunFailed, match="timeout of 3600 s passed") as failed:
            await run.result()
        assert failed.value.type_name == "RunTimedOut"
        assert t.clock.now() - begun < 3700 * 1e6
    assert world.done == ["cleaned up"]


async def test_a_run_timeout_also_ends_a_run_that_is_not_in_memory_and_its_children(app: App) -> None:
    @app.agent
    async def child(ctx: Context) -> None:
        await ctx.promise("never", bool)

    @app.agent
    async def body(ctx: Context) -> None:
        await child()

    async with app.test(always_suspend=True) as t:
        run = await t.start(body().using(timeout="90d"))
        await t.quiet()
        assert t.worker.active == {}
        with pytest.raises(RunFailed, match="RunTimedOut"):
            await run.result()
        await t.quiet()
        (child_run,) = await t.find(RunFilter(parent=run.id))
        assert child_run.status == "cancelled"


async def test_a_childs_own_timeout_fails_it_and_its_parent_may_go_on(app: App) -> None:
    @app.agent
    async def child(ctx: Context) -> None:
        await asyncio.sleep(86_400)

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await child().using(timeout="1h")
        except ChildFailed as failed:
            return failed.type_name
        return ""

    async with app.test() as t:
        assert await (await t.start(body())).result() == "RunTimedOut"


async def test_a_run_that_ends_in_time_is_not_touched(app: App) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        await asyncio.sleep(60)
        return "well"

    async with app.test() as t:
        run = await t.start(body().using(timeout="61s"))
        assert await run.result() == "well"
        await t.advance("1h")
        assert await run.status() == "succeeded"
