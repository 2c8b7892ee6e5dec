"""A fork keeps a prefix of another run's journal, makes the rest anew, and leaves its origin as it is."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import (
    App,
    BadOption,
    Context,
    KeyConflict,
    NotStorable,
    RunBlocked,
    RunCancelled,
    RunFailed,
    StepFailed,
    UnknownAgent,
    idempotency_key,
)
from holdfast.errors import WrongState
from holdfast.records.journal import Kind
from tests.kernel.making import World, journal


@pytest.fixture
def keys() -> list[str]:
    return []


@pytest.fixture
def app(world: World, keys: list[str]) -> App[None]:
    app = App("forks")

    async def price(what: str) -> int:
        keys.append(idempotency_key())
        world.done.append(f"price {what}")
        return len(what)

    @app.tool
    async def pay(to: str, amount: int) -> str:
        keys.append(idempotency_key())
        world.done.append(f"pay {amount}")
        return f"{to}: {amount}"

    @app.agent
    async def settle(ctx: Context, what: str) -> list[object]:
        chance, number, began = ctx.random.random(), ctx.uuid(), ctx.now()
        paid = await pay(f"{ctx.run_id} {number}", 1)
        amount = await ctx.step(price, what)
        await asyncio.sleep(60)
        last = await pay(what, amount)
        return [chance, str(number), began.isoformat(), paid.endswith(f"{number}: 1"), last]

    return app


def settle(app: App[None], what: str):  # type: ignore[no-untyped-def]
    return app.catalog.agent("settle")(what)


async def test_what_is_kept_is_not_done_again_and_chance_time_and_ids_stay(app: App, world: World) -> None:
    async with app.test() as t:
        run = await t.start(settle(app, "roof"))
        before = await run.result()
        world.done.clear()
        recorded = await journal(t, run)
        forked = await t.fork(run.id, at="app.price")
        assert forked.plan.kept == ("pay#1",)
        assert forked.plan.again == ("app.price#1", "pay#2")
        assert await (await t.get(forked.id)).result() == before
        assert world.done == ["price roof", "pay 4"]
        assert await journal(t, run) == recorded
        origin = (await t.info(forked.id)).origin
        assert origin is not None and (origin.run_id, origin.seq) == (run.id, forked.plan.at)


@pytest.mark.parametrize("keep_keys", [False, True])
async def test_idempotency_keys_are_new_unless_they_are_to_be_kept(app: App, keys: list[str], keep_keys: bool) -> None:
    async with app.test() as t:
        run = await t.start(settle(app, "roof"))
        await run.result()
        first, keys[:] = list(keys), []
        forked = await t.fork(run.id, at=0, keep_keys=keep_keys)
        await (await t.get(forked.id)).result()
        again = await t.fork(forked.id, at=1, keep_keys=keep_keys)
        await (await t.get(again.id)).result()
        expected = first + first[1:]
        assert keys == expected if keep_keys else not set(keys) & set(first)
        assert len(keys) == len(expected)


async def test_one_outcome_can_be_changed(app: App, world: World) -> None:
    async with app.test() as t:
        run = await t.start(settle(app, "roof"))
        await run.result()
        priced = next(entry.seq for entry in await journal(t, run) if entry.key == "app.price#1")
        world.done.clear()
        dear = await t.fork(run.id, at=priced, outcome=1000)
        assert (await (await t.get(dear.id)).result())[-1] == "roof: 1000"
        assert world.done == ["pay 1000"]
        failing = await t.fork(run.id, at=priced, error="no price today")
        with pytest.raises(RunFailed, match="no price today"):
            await (await t.get(failing.id)).result()
        wrong = await t.fork(run.id, at=priced, outcome={"not": "a number"})
        with pytest.raises(RunBlocked, match="another type"):
            await (await t.get(wrong.id)).result()
        with pytest.raises(NotStorable):
            await t.fork(run.id, at=priced, outcome=object())
        fired = next(entry.seq for entry in await journal(t, run, Kind.FIRED))
        with pytest.raises(BadOption, match="not the outcome of a call"):
            await t.fork(run.id, at=fired, outcome=1)


async def test_a_failure_can_be_made_a_success(app: App, world: World) -> None:
    async def refuse() -> int:
        raise ValueError("no")

    @app.agent
    async def body(ctx: Context) -> int:
        try:
            return await ctx.step(refuse)
        except StepFailed:
            return -1

    async with app.test() as t:
        run = await t.start(body())
        assert await run.result() == -1
        assert await (await t.get((await t.fork(run.id, at=1, outcome=7)).id)).result() == 7


async def test_what_cannot_be_forked_is_refused_and_nothing_is_made(app: App) -> None:
    async with app.test() as t:
        run = await t.start(settle(app, "roof"), key="k")
        await run.result()
        for at in (99, -1, "nonsense"):
            with pytest.raises(BadOption):
                await t.fork(run.id, at=at)
        with pytest.raises(BadOption, match="not both"):
            await t.fork(run.id, at=1, outcome=1, error="x")
        with pytest.raises(KeyConflict):
            await t.fork(run.id, at=1, key="k")
        with pytest.raises(UnknownAgent):
            await t.fork(run.id, at=1, version="99")
        with pytest.raises(BadOption, match="tag"):
            await t.fork(run.id, at=1, tags=["a,b"])
        assert sum((await t.count()).values()) == 1


async def test_after_a_cancel_there_is_nothing_to_fork(app: App) -> None:
    async with app.test() as t:
        run = await t.start(settle(app, "roof"))
        await t.quiet()
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()
        (cancel,) = await journal(t, run, Kind.CANCEL)
        with pytest.raises(WrongState, match=f"Fork it at {cancel.seq - 1} or before"):
            await t.fork(run.id, at=cancel.seq)
        forked = await t.fork(run.id, at=cancel.seq - 1)
        assert (await (await t.get(forked.id)).result())[-1] == "roof: 4"


async def test_children_promises_and_maps_that_were_going_on_are_begun_anew(app: App, world: World) -> None:
    @app.agent
    async def child(ctx: Context, n: int) -> int:
        await ctx.step(world.do, f"child {n}")
        return n

    @app.agent
    async def body(ctx: Context) -> list[object]:
        early, late = ctx.promise("early", int), ctx.promise("late", int)
        first = await early
        one = await child(1)
        many = list(await ctx.map(child, [2, 3, 4], key=str))
        return [first, one, *many, await late]

    async with app.test() as t:
        run = await t.start(body())
        await t.resolve(f"{run.id}/early", 5)
        await t.quiet()
        world.done.clear()
        number = next(entry.seq for entry in await journal(t, run, Kind.OUTCOME) if entry.key == "child#1")
        middle = await t.fork(run.id, at=number)  # of a live run
        await t.quiet()
        assert sorted(world.done) == ["child 2", "child 3", "child 4"]
        await t.resolve(f"{middle.id}/late", 6)
        assert await (await t.get(middle.id)).result() == [5, 1, 2, 3, 4, 6]
        assert not await t.resolve(f"{middle.id}/early", 7)
        assert not (await run.info()).status.ended
        partly = await t.fork(run.id, at=number + 2)
        await t.resolve(f"{partly.id}/late", 6)
        assert await (await t.get(partly.id)).result() == [5, 1, 2, 3, 4, 6]
        assert len(world.done) < 6
        await t.resolve(f"{run.id}/late", 6)
        await run.result()


async def test_large_values_outlive_the_origin(app: App) -> None:
    async def read() -> str:
        return "x" * 100_000

    @app.agent
    async def body(ctx: Context, given: str) -> int:
        text = await ctx.step(read)
        await ctx.step(len, "pause")
        return len(text) + len(given)

    async with app.test() as t:
        run = await t.start(body("y" * 50_000))
        assert await run.result() == 150_000
        forked = await t.fork(run.id, at=1)
        await t.delete(run.id)
        assert await (await t.get(forked.id)).result() == 150_000


async def test_a_generation_after_continue_as_can_be_forked(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context, n: int) -> str:
        seen = await ctx.step(world.do, f"{n} {ctx.uuid()}")
        if n < 2:
            await ctx.continue_as(body(n + 1))
        return await ctx.step(world.also, seen)

    async with app.test() as t:
        run = await t.start(body(0))
        told = await run.result()
        forked = await t.fork(run.id, at="World.also")
        assert await (await t.get(forked.id)).result() == told
