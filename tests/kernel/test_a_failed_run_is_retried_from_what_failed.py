"""A failed run that is retried goes on from before what made it fail: what had succeeded is not done again."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import App, Context, RunCancelled, RunFailed, StepFailed, idempotency_key
from holdfast.errors import WrongState
from holdfast.testing import Rig, RigRun
from tests.kernel.making import World


class Flaky:
    """Something outside that is down until it is mended."""

    def __init__(self) -> None:
        self.down = True
        self.calls: list[str] = []
        self.keys: list[str] = []

    async def ask(self, what: str) -> str:
        self.calls.append(what)
        self.keys.append(idempotency_key())
        if self.down:
            raise ConnectionError(f"{what}: down")
        return what


@pytest.fixture
def flaky() -> Flaky:
    return Flaky()


async def failed_then_retried(t: Rig, run: RigRun[object], flaky: Flaky) -> object:
    with pytest.raises(RunFailed):
        await run.result()
    flaky.down = False
    await t.retry(run.id)
    return await run.result()


async def test_steps_before_are_kept_and_the_failed_one_has_all_its_retries(
    app: App, world: World, flaky: Flaky
) -> None:
    @app.agent
    async def body(ctx: Context) -> list[str]:
        first = await ctx.step(world.do, "before")
        return [first, await ctx.step(flaky.ask, "it").using(retries=2), await ctx.step(world.do, "after")]

    async with app.test() as t:
        run = await t.start(body())
        assert await failed_then_retried(t, run, flaky) == ["before", "it", "after"]
        assert world.done == ["before", "after"]
        assert flaky.calls == ["it"] * 4 and len(set(flaky.keys)) == 1


async def test_clean_up_after_the_failure_happens_anew(app: App, world: World, flaky: Flaky) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        try:
            return await ctx.step(flaky.ask, "it")
        finally:
            await ctx.step(world.do, "clean up")

    async with app.test() as t:
        assert await failed_then_retried(t, await t.start(body()), flaky) == "it"
        assert world.done == ["clean up", "clean up"]


async def test_a_failure_that_was_caught_is_not_what_made_it_fail(app: App, world: World, flaky: Flaky) -> None:
    @app.agent
    async def body(ctx: Context) -> list[str]:
        try:
            first = await ctx.step(flaky.ask, "caught")
        except StepFailed:
            first = await ctx.step(world.do, "instead")
        return [first, await ctx.step(flaky.ask, "not caught")]

    async with app.test() as t:
        assert await failed_then_retried(t, await t.start(body()), flaky) == ["instead", "not caught"]
        assert flaky.calls == ["caught", "not caught", "not caught"] and world.done == ["instead"]


async def test_an_error_raised_from_a_failure_leads_to_it(app: App, flaky: Flaky) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        try:
            return await ctx.step(flaky.ask, "it")
        except StepFailed as error:
            raise ValueError("no quote") from error

    async with app.test() as t:
        assert await failed_then_retried(t, await t.start(body()), flaky) == "it"


async def test_of_several_failures_in_a_group_the_first_one_counts(app: App, world: World, flaky: Flaky) -> None:
    @app.agent
    async def body(ctx: Context) -> list[str]:
        await ctx.step(world.do, "before")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(ctx, what)) for what in "abc"]
        return [task.result() for task in tasks]

    async def one(ctx: Context, what: str) -> str:
        return await ctx.step(flaky.ask, what)

    async with app.test() as t:
        assert await failed_then_retried(t, await t.start(body()), flaky) == ["a", "b", "c"]
        assert world.done == ["before"]


async def test_a_body_that_raised_by_itself_goes_on_with_the_mended_code(app: App, world: World, flaky: Flaky) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        did = await ctx.step(world.do, "once")
        if flaky.down:
            raise KeyError("a bug")
        return did

    async with app.test(check_replay=False) as t:
        assert await failed_then_retried(t, await t.start(body()), flaky) == "once"
        assert world.done == ["once"]


async def test_a_run_that_timed_out_has_its_time_again(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        await ctx.step(world.do, "before")
        await ctx.promise("go", bool)
        return await ctx.step(world.do, "after")

    async with app.test() as t:
        run = await t.start(body().using(timeout="1h"))
        with pytest.raises(RunFailed, match="timeout"):
            await run.result()
        await t.retry(run.id)
        await t.advance("50m")
        await t.resolve(f"{run.id}/go", True)
        assert await run.result() == "after"
        assert world.done == ["before", "after"]


async def test_a_failed_child_is_retried_from_its_own_failed_step(app: App, world: World, flaky: Flaky) -> None:
    @app.agent
    async def grandchild(ctx: Context) -> str:
        await ctx.step(world.do, "grandchild")
        return await ctx.step(flaky.ask, "it")

    @app.agent
    async def child(ctx: Context) -> str:
        await ctx.step(world.do, "child")
        return await grandchild()

    @app.agent
    async def body(ctx: Context) -> str:
        await ctx.step(world.do, "parent")
        return await child()

    async with app.test() as t:
        assert await failed_then_retried(t, await t.start(body()), flaky) == "it"
        assert world.done == ["parent", "child", "grandchild"] and flaky.calls == ["it", "it"]
        assert sum((await t.count()).values()) == 3


async def test_children_cancelled_with_the_run_go_on_and_those_that_succeeded_are_kept(
    app: App, world: World, flaky: Flaky
) -> None:
    @app.agent
    async def quick(ctx: Context) -> str:
        return await ctx.step(world.do, "quick")

    @app.agent
    async def slow(ctx: Context) -> str:
        await ctx.step(world.do, "slow begins")
        await asyncio.sleep(3600)
        return await ctx.step(world.do, "slow ends")

    @app.agent
    async def body(ctx: Context) -> list[str]:
        one, other = await ctx.start(quick()), await ctx.start(slow())
        await asyncio.sleep(60)
        return [await ctx.step(flaky.ask, "it"), await one.result(), await other.result()]

    async with app.test() as t:
        run = await t.start(body())
        with pytest.raises(RunFailed):
            await run.result()
        await t.advance("1m")
        flaky.down = False
        await t.retry(run.id)
        assert await run.result() == ["it", "quick", "slow ends"]
        assert sorted(world.done) == ["quick", "slow begins", "slow ends"]


@pytest.mark.parametrize("kind", ["step", "tool", "branch", "agent"])
async def test_items_of_a_map_that_were_done_are_not_done_again(
    app: App, world: World, flaky: Flaky, kind: str
) -> None:
    async def work(n: int) -> int:
        world.done.append(str(n))
        if n == 3:
            await flaky.ask("three")
        return n * 10

    tool = app.tool(name="tool")(work)

    @app.agent
    async def agent(ctx: Context, n: int) -> int:
        return await ctx.step(work, n)

    @app.agent
    async def body(ctx: Context) -> list[int]:
        async def branch(n: int) -> int:
            await ctx.step(world.do, f"begin {n}")
            return await ctx.step(work, n)

        fn = {"step": work, "tool": tool, "branch": branch, "agent": agent}[kind]
        return list(await ctx.map(fn, range(6), key=str, concurrency=1))

    async with app.test() as t:
        assert await failed_then_retried(t, await t.start(body()), flaky) == [0, 10, 20, 30, 40, 50]
        done = [what for what in world.done if not what.startswith("begin")]
        assert [done.count(n) for n in "0123"] == [1, 1, 1, 2]
        if kind != "agent":  # the next child may have been at work when the map was given up
            assert done == ["0", "1", "2", "3", "3", "4", "5"]
        assert world.done.count("begin 3") == (1 if kind == "branch" else 0)


async def test_a_map_over_agents_that_ran_at_once_counts_right(app: App, world: World, flaky: Flaky) -> None:
    @app.agent
    async def agent(ctx: Context, n: int) -> int:
        await ctx.step(world.do, str(n))
        if n % 5 == 3:
            await ctx.step(flaky.ask, str(n))
        await asyncio.sleep(n)
        return n

    @app.agent
    async def body(ctx: Context) -> list[int]:
        return list(await ctx.map(agent, range(20), key=str, concurrency=7))

    async with app.test() as t:
        run = await t.start(body())
        with pytest.raises(RunFailed):
            await run.result()
        await t.advance("1h")
        flaky.down = False
        await t.retry(run.id)
        assert await run.result() == list(range(20))
        times = [world.done.count(str(n)) for n in range(20)]
        # What was at work when the map was given up may happen again: its outcome came after the children's cancel.
        assert set(times) <= {1, 2} and times.count(2) < 7, world.done


async def test_an_effect_that_may_happen_once_and_ended_after_the_failure_is_kept(
    app: App, world: World, flaky: Flaky
) -> None:
    paid = asyncio.Event()

    async def pay() -> str:
        world.done.append("paid")
        await paid.wait()
        return "paid"

    async def slip() -> str:
        try:
            return await flaky.ask("slip")
        finally:
            paid.set()

    @app.agent
    async def body(ctx: Context) -> list[str]:
        payment = asyncio.create_task(wait(ctx.step(pay).using(effect="at_most_once")))
        try:
            slipped = await ctx.step(slip)
        except StepFailed:
            await payment
            raise
        return [await payment, slipped]

    async def wait(call: object) -> str:
        return await call  # type: ignore[misc,no-any-return]

    async with app.test() as t:
        assert await failed_then_retried(t, await t.start(body()), flaky) == ["paid", "slip"]
        assert world.done == ["paid"]


async def test_promises_resolved_after_the_failure_are_heard_again(app: App, flaky: Flaky) -> None:
    @app.agent
    async def body(ctx: Context) -> list[object]:
        answer = ctx.promise("answer", int)
        try:
            asked = await ctx.step(flaky.ask, "it")
        except StepFailed:
            await answer
            raise
        return [asked, await answer]

    async with app.test() as t:
        run = await t.start(body())
        await t.quiet()
        await t.resolve(f"{run.id}/answer", 42)
        assert await failed_then_retried(t, run, flaky) == ["it", 42]


async def test_a_retry_can_fail_and_be_retried_and_survives_a_crash(app: App, world: World, flaky: Flaky) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        await ctx.step(world.do, "before")
        return await ctx.step(flaky.ask, "it")

    async with app.test() as t:
        run = await t.start(body())
        for _ in range(3):
            with pytest.raises(RunFailed):
                await run.result()
            await t.retry(run.id)
        with pytest.raises(RunFailed):
            await run.result()
        flaky.down = False
        await t.retry(run.id)
        t.crash_at("effect-begins")
        assert await run.result() == "it"
        assert world.done == ["before"] and len(flaky.calls) == 5


async def test_only_failed_runs_are_retried(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        await asyncio.sleep(60)

    async with app.test() as t:
        run = await t.start(body())
        await t.quiet()
        with pytest.raises(WrongState, match="only failed"):
            await t.retry(run.id)
        await run.result()
        with pytest.raises(WrongState, match="succeeded"):
            await t.retry(run.id)
        cancelled = await t.start(body())
        await cancelled.cancel()
        with pytest.raises(RunCancelled):
            await cancelled.result()
        with pytest.raises(WrongState, match="cancelled"):
            await t.retry(cancelled.id)


async def test_a_run_whose_children_are_still_ending_waits_with_its_retry(app: App, flaky: Flaky) -> None:
    @app.agent
    async def stubborn(ctx: Context) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(10)

    @app.agent
    async def body(ctx: Context) -> str:
        await ctx.start(stubborn())
        await asyncio.sleep(1)
        return await ctx.step(flaky.ask, "it")

    async with app.test() as t:
        run = await t.start(body())
        with pytest.raises(RunFailed):
            await run.result()
        with pytest.raises(WrongState, match="still ending"):
            await t.retry(run.id)
        await t.advance("1m")
        flaky.down = False
        await t.retry(run.id)
        assert await run.result() == "it"
