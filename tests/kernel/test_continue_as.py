"""``continue_as``: endless bodies go on under the same id with a fresh journal."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import App, BadOption, Context, RunCancelled, RunFailed, idempotency_key
from holdfast.store.base import RunFilter
from tests.kernel.making import World, journal, result


async def test_two_hundred_generations_keep_the_id_and_a_short_journal(app: App, world: World) -> None:
    @app.agent
    async def watch(ctx: Context, seen: int) -> tuple[str, int]:
        await asyncio.sleep(3600)
        seen = int(await ctx.step(world.do, str(seen + 1)))
        if seen < 200:
            await ctx.continue_as(watch(seen))
        return ctx.run_id, seen

    async with app.test() as t:
        begun = t.clock.now()
        run = await t.start(watch(0))
        assert await run.result() == (run.id, 200)
        assert t.clock.now() - begun >= 200 * 3600 * 1e6, "each generation's clock begins with it"
        info = await run.info()
        assert info.generation == 199 and len(await journal(t, run)) <= 3
        assert len(await t.find()) == 1
    assert world.done == [str(n) for n in range(1, 201)]


@pytest.mark.parametrize("point", ["committing", "committed", "claimed", "effect-ended"])
async def test_a_crash_around_the_change_neither_skips_nor_repeats_a_generation(
    app: App, world: World, point: str
) -> None:
    @app.agent
    async def count(ctx: Context, n: int) -> int:
        await ctx.step(world.do, str(n))
        if n < 6:
            await ctx.continue_as(count(n + 1))
        return n

    async with app.test() as t:
        t.crash_at(point, nth=3)
        assert await (await t.start(count(0))).result() == 6
    assert sorted(set(world.done)) == [str(n) for n in range(7)]
    assert len(world.done) <= 8


async def test_promises_resolved_and_not_yet_awaited_are_carried_over(app: App) -> None:
    @app.agent
    async def collect(ctx: Context, got: list[str]) -> list[str]:
        got = [*got, await ctx.promise(f"answer {len(got)}", str)]
        if len(got) < 3:
            await ctx.continue_as(collect(got))
        return got

    async with app.test(always_suspend=True) as t:
        run = await t.start(collect([]))
        await t.quiet()
        for n in (2, 1, 0):  # the ones to come first
            assert await t.resolve(f"{run.id}/answer {n}", f"value {n}")
            await t.quiet()
        assert await run.result() == ["value 0", "value 1", "value 2"]


async def test_a_promise_that_was_awaited_can_be_asked_for_anew(app: App) -> None:
    @app.agent
    async def ask(ctx: Context, got: list[str]) -> list[str]:
        got = [*got, await ctx.promise("answer", str)]
        if len(got) < 3:
            await ctx.continue_as(ask(got))
        return got

    async with app.test() as t:
        run = await t.start(ask([]))
        for n in range(3):
            await t.quiet()
            assert await t.resolve(f"{run.id}/answer", str(n)) is True
        assert await run.result() == ["0", "1", "2"]


async def test_children_end_with_the_journal_unless_detached(app: App) -> None:
    @app.agent
    async def child(ctx: Context) -> None:
        await asyncio.sleep(86_400)

    @app.agent
    async def body(ctx: Context, n: int) -> int:
        if n == 0:
            await ctx.start(child())
            await ctx.start(child(), key="on its own", detached=True)
            await ctx.continue_as(body(1))
        await asyncio.sleep(60)
        return n

    async with app.test() as t:
        run = await t.start(body(0))
        assert await run.result() == 1
        await t.quiet()
        statuses = {one.parent.detached: str(one.status) for one in await t.find(RunFilter(parent=run.id))}
        assert statuses[False] == "cancelled" and statuses[True] in ("waiting", "running")


async def test_the_parent_of_a_run_that_goes_on_gets_the_result_of_its_last_generation(app: App) -> None:
    @app.agent
    async def child(ctx: Context, n: int) -> str:
        await asyncio.sleep(60)
        if n < 3:
            await ctx.continue_as(child(n + 1))
        return f"generation {n}"

    @app.agent
    async def parent(ctx: Context) -> list[str]:
        return [await child(0), *await ctx.map(child, [1, 2], key=str)]

    assert await result(app, parent()) == ["generation 3"] * 3


async def test_it_may_go_on_as_another_agent(app: App) -> None:
    @app.agent
    async def second(ctx: Context, word: str) -> str:
        return f"second {word}"

    @app.agent
    async def first(ctx: Context) -> str:
        await ctx.continue_as(second("act"))

    async with app.test() as t:
        run = await t.start(first())
        assert await run.result() == "second act"
        assert (await run.info()).agent == "second"


async def test_steps_of_different_generations_have_different_idempotency_keys(app: App) -> None:
    keys: list[str] = []

    async def note() -> None:
        keys.append(idempotency_key())

    @app.agent
    async def body(ctx: Context, n: int) -> None:
        await ctx.step(note)
        if n < 3:
            await ctx.continue_as(body(n + 1))

    await result(app, body(0))
    assert len(set(keys)) == 4


async def test_it_takes_a_call_of_an_agent_and_not_from_a_branch(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        async def branch(n: int) -> None:
            await ctx.continue_as(body())

        with pytest.raises(BadOption, match="go on with a call of an agent"):
            await ctx.continue_as("me")
        (failure,) = await ctx.map(branch, [1], key=str, on_error="collect")
        return failure.error

    assert "inside a branch" in await result(app, body())


async def test_a_run_timeout_counts_from_the_first_generation(app: App) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        await asyncio.sleep(60)
        await ctx.continue_as(body())

    async with app.test() as t:
        run = await t.start(body().using(timeout="1h"))
        with pytest.raises(RunFailed, match="RunTimedOut"):
            await run.result()
        assert (await run.info()).generation in (59, 60)


async def test_an_endless_run_can_be_cancelled(app: App) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        await asyncio.sleep(60)
        await ctx.continue_as(body())

    async with app.test() as t:
        run = await t.start(body())
        await t.advance("1h")
        await t.cancel(run.id)
        with pytest.raises(RunCancelled):
            await run.result()
