"""A suspended run costs rows only (4): no task, no coroutine, no timer, no loop; evicted bodies cannot do anything."""

from __future__ import annotations

import asyncio
import gc
import inspect
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from holdfast import App, Context, Settings
from holdfast.durable.activation import Activation
from holdfast.durable.core import Core
from holdfast.durable.loop import BodyFuture, BodyLoop, BodyTask, BodyTimer
from tests.kernel.making import World

KINDS = (Activation, Core, BodyLoop, BodyTask, BodyFuture, BodyTimer)


class Memory:
    """What there is of runs in this process beyond what there was: their objects, and coroutines of these functions."""

    def __init__(self) -> None:
        self._before = self._runs(set())

    async def holds(self, *names: str) -> list[str]:
        """What stays: a thread that has just handed something over may hold it for a moment."""
        give_up_at = time.monotonic() + 30
        while (held := self._holds(set(names))) and time.monotonic() < give_up_at:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)
        return held

    def _holds(self, names: set[str]) -> list[str]:
        now = self._runs(names)
        return [repr(now[number])[:80] for number in now if number not in self._before]

    @staticmethod
    def _runs(names: set[str]) -> dict[int, object]:
        gc.collect()
        return {
            id(one): one
            for one in gc.get_objects()
            if isinstance(one, KINDS) or (inspect.iscoroutine(one) and one.__name__ in names)
        }


async def flaky(world: World) -> str:
    world.done.append("attempt")
    if len(world.done) < 2:
        raise ConnectionError("not yet")
    return "well"


def waits(app: App, world: World) -> dict[str, Any]:
    @app.agent
    async def asleep(ctx: Context) -> str:
        await asyncio.sleep(90 * 86_400)
        return "slept"

    @app.agent
    async def asking(ctx: Context) -> str:
        async with asyncio.timeout(90 * 86_400):
            return await ctx.promise("answer", str)

    @app.agent
    async def retrying(ctx: Context) -> str:
        return await ctx.step(flaky, world).using(retries=1, backoff="1h")

    @app.agent
    async def branching(ctx: Context) -> list[int]:
        async def branch(n: int) -> int:
            await asyncio.sleep(90 * 86_400)
            return n

        return list(await ctx.map(branch, range(20), key=str))

    @app.agent
    async def with_tasks(ctx: Context) -> str:
        queue: asyncio.Queue[str] = asyncio.Queue()

        async def waiter() -> str:
            return await queue.get()

        async def numbers():
            yield 1
            await asyncio.sleep(90 * 86_400)
            yield 2

        task = asyncio.create_task(waiter())
        async for n in numbers():
            await queue.put(str(n))
        return await task

    @app.agent
    async def parent(ctx: Context) -> str:
        return await asleep()

    return {agent.name: agent for agent in (asleep, asking, retrying, branching, with_tasks, parent)}


@pytest.mark.parametrize("name", ["asleep", "asking", "retrying", "branching", "with_tasks", "parent"])
async def test_a_run_that_waits_has_nothing_in_memory(app: App, world: World, name: str) -> None:
    agents = waits(app, world)
    names = (*agents, "branch", "waiter", "numbers", "flaky")
    memory = Memory()
    async with app.test(always_suspend=True) as t:
        run = await t.start(agents[name]())
        await t.quiet()
        assert await run.status() == "waiting"
        assert t.worker.active == {}
        assert await memory.holds(*names) == []
        await t.crash()
        await t.quiet()
        assert await memory.holds(*names) == []
        if name == "asking":
            await t.resolve(f"{run.id}/answer", "yes")
        assert await run.result() in ("slept", "yes", "well", "1", list(range(20)))
        assert await memory.holds(*names) == []


async def test_it_leaves_memory_after_a_short_linger(app: App, world: World) -> None:
    agents = waits(app, world)
    memory = Memory()
    async with app.test(settings=Settings(linger=600.0), always_suspend=False) as t:
        await t.start(agents["asleep"]())
        await t.quiet()
        assert len(t.worker.active) == 1, "news may come soon"
    async with app.test(always_suspend=False) as t:
        run = await t.start(agents["asleep"]())
        async with asyncio.timeout(60):
            while await run.status() != "waiting" or t.worker.active:  # noqa: ASYNC110  # the linger is real time
                await asyncio.sleep(0.02)
        assert await memory.holds(*agents) == []


async def test_finally_blocks_run_at_every_eviction_and_their_steps_only_at_the_end(app: App, world: World) -> None:
    evicted: list[str] = []

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await asyncio.sleep(86_400)
            await asyncio.sleep(86_400)
            return "done"
        finally:
            evicted.append("finally")
            await ctx.step(world.do, "cleaned up")
            evicted.append("after the step")

    async with app.test(always_suspend=True, check_replay=False) as t:
        run = await t.start(body())
        await t.quiet()
        assert evicted == ["finally"] and world.done == []
        assert await run.result() == "done"
    assert world.done == ["cleaned up"]
    assert evicted.count("finally") >= 3 and evicted.count("after the step") == 1


# -- bodies that try to stay


def body_of(app: App, world: World, name: str) -> Callable[..., Any]:
    async def after(ctx: Context, what: str) -> str:
        return await ctx.step(world.do, what)

    @app.agent
    async def bare_except(ctx: Context) -> str:
        try:
            await asyncio.sleep(86_400)
        except:  # noqa: E722  # that is the point
            return await after(ctx, "swallowed")
        return await after(ctx, "slept")

    @app.agent
    async def suppressed(ctx: Context) -> str:
        for _ in range(3):
            try:
                await asyncio.sleep(86_400)
            except asyncio.CancelledError:
                await after(ctx, "swallowed")
        return await after(ctx, "slept")

    @app.agent
    async def finally_returns(ctx: Context) -> str:
        said = "swallowed"
        try:
            await asyncio.sleep(86_400)
            said = await after(ctx, "slept")
        finally:
            return said  # noqa: B012  # that is the point

    @app.agent
    async def finally_awaits(ctx: Context) -> str:
        try:
            await asyncio.sleep(86_400)
        finally:
            await asyncio.sleep(3600)
            said = await after(ctx, "slept")
        return said

    @app.agent
    async def gathered(ctx: Context) -> str:
        got = await asyncio.gather(asyncio.sleep(86_400, "slept"), asyncio.sleep(60, "too"), return_exceptions=True)
        return await after(ctx, " ".join(map(str, got)))

    @app.agent
    async def never_lets_go(ctx: Context) -> str:
        done = False
        while not done:
            try:
                await asyncio.sleep(86_400)
                done = True
            except asyncio.CancelledError:
                pass
        return await after(ctx, "slept")

    @app.agent
    async def spins_when_cancelled(ctx: Context) -> str:
        while True:
            try:
                await asyncio.sleep(86_400)
                break
            except asyncio.CancelledError:
                await asyncio.sleep(0)
        return await after(ctx, "slept")

    @app.agent
    async def shielded(ctx: Context) -> str:
        inner = asyncio.create_task(asyncio.sleep(86_400, "slept"))
        while not inner.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(inner)
        return await after(ctx, inner.result())

    @app.agent
    async def starts_anew(ctx: Context) -> str:
        try:
            await asyncio.sleep(86_400)
        except asyncio.CancelledError:
            asyncio.create_task(after(ctx, "from a new task"))  # noqa: RUF006  # nobody keeps it, that is the point
            raise
        return await after(ctx, "slept")

    @app.agent
    async def in_a_group(ctx: Context) -> str:
        async def part() -> None:
            try:
                await asyncio.sleep(86_400)
            except asyncio.CancelledError:
                await after(ctx, "swallowed")

        async with asyncio.TaskGroup() as group:
            group.create_task(part())
            group.create_task(part())
        return await after(ctx, "slept")

    return app.catalog.agent(name)


BODIES = [
    "bare_except",
    "suppressed",
    "finally_returns",
    "finally_awaits",
    "gathered",
    "never_lets_go",
    "spins_when_cancelled",
    "shielded",
    "starts_anew",
    "in_a_group",
]


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_swallows_its_eviction_changes_nothing(app: App, world: World, name: str) -> None:
    body = body_of(app, world, name)
    async with app.test(always_suspend=True) as t:
        run = await t.start(body())
        await t.quiet()
        assert (await run.status(), t.worker.active, world.done) == ("waiting", {}, [])
        await t.crash()
        await t.quiet()
        assert world.done == []
        assert await run.result() == ("slept too" if name == "gathered" else "slept")
    assert world.done == ["slept too" if name == "gathered" else "slept"]


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # Python says it when such a body is freed
async def test_even_a_body_that_swallows_everything_changes_nothing(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        done = False
        while not done:
            try:
                await asyncio.sleep(86_400)
                done = True
            except:  # noqa: E722  # that is the point
                pass
        return await ctx.step(world.do, "slept")

    async with app.test(always_suspend=True) as t:
        run = await t.start(body())
        await t.quiet()
        assert (await run.status(), t.worker.active, world.done) == ("waiting", {}, [])
        assert await run.result() == "slept"
        gc.collect()
    assert world.done == ["slept"]


@pytest.mark.parametrize(
    "name", [name for name in BODIES if name not in ("never_lets_go", "spins_when_cancelled", "shielded")]
)
async def test_the_process_keeps_nothing_of_it(app: App, world: World, name: str) -> None:
    body = body_of(app, world, name)
    memory = Memory()
    async with app.test(always_suspend=True) as t:
        run = await t.start(body())
        await t.quiet()
        assert await run.status() == "waiting"
        assert await memory.holds(name, "after", "part") == []
        await run.result()
