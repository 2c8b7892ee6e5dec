"""A step that takes the transaction: its rows and its record are committed together, whatever happens in between."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast import (
    App,
    BadOption,
    Context,
    RunBlocked,
    RunFailed,
    StepFailed,
    StepTimedOut,
    idempotency_key,
)
from holdfast.records.journal import Kind
from tests.kernel.books import Books, PostgresBooks, SqliteBooks
from tests.kernel.making import Deployments, World, journal


@pytest.fixture
def books(kind: str) -> Iterator[Books]:
    """What is booked in the store's database."""
    books = SqliteBooks() if kind == "sqlite" else PostgresBooks()
    yield books
    books.clear()


async def test_it_returns_what_its_function_returned(app: App, books: Books) -> None:
    @app.agent
    async def body(ctx: Context) -> list[int]:
        return [await ctx.step(books.book, "ann", 90), await ctx.step(books.book, "ann", amount=10)]

    async with app.test() as t:
        assert await (await t.start(body())).result() == [90, 100]
        assert books.booked(t) == [("ann", 90), ("ann", 10)]


POINTS = ["claimed", "effect-begins", "effect-ended", "committing", "committed", "ending", "ended"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_any_point_leaves_its_rows_there_once(app: App, point: str, books: Books) -> None:
    @app.agent
    async def body(ctx: Context) -> int:
        return await ctx.step(books.book, "ann", 90)

    async with app.test() as t:
        t.crash_at(point)
        assert await (await t.start(body())).result() == 90
        assert t.crashes == 1
        assert books.booked(t) == [("ann", 90)]


async def test_many_at_once_each_happen_once(app: App, books: Books) -> None:
    @app.agent
    async def body(ctx: Context) -> list[int]:
        return await asyncio.gather(*(ctx.step(books.book, f"a{n}", n).using(key=str(n)) for n in range(1, 20)))

    async with app.test() as t:
        t.crash_at("effect-ended", nth=7)
        assert await (await t.start(body())).result() == list(range(1, 20))
        assert sorted(books.booked(t)) == sorted((f"a{n}", n) for n in range(1, 20))


async def test_what_raises_leaves_nothing_and_is_tried_again(app: App, books: Books) -> None:
    tries: list[str] = []

    async def unlucky(balance: int) -> int:
        tries.append(idempotency_key())
        if len(tries) < 3:
            raise ConnectionError("not yet")
        return balance

    step = books.booking(1, unlucky)

    @app.agent
    async def body(ctx: Context) -> int:
        return await ctx.step(step).using(retries=5, returns=int)

    async with app.test() as t:
        run = await t.start(body())
        assert await run.result() == 1
        assert books.booked(t) == [("ann", 1)] and len(tries) == 3 and len(set(tries)) == 1
        assert [entry.kind for entry in await journal(t, run)] == [Kind.ATTEMPT, Kind.ATTEMPT, Kind.OUTCOME]


async def test_what_the_database_refuses_is_an_error_like_others(app: App, books: Books) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(books.book, "ann", -1).using(raises=[books.refusal])
        except books.refusal as error:
            return str(error)
        return "no error"

    async with app.test() as t:
        assert "positive" in await (await t.start(body())).result()
        assert books.booked(t) == []


async def test_a_value_that_cannot_be_stored_takes_its_rows_back(app: App, books: Books) -> None:
    async def wrong(balance: int) -> object:
        return "many"  # where a number is promised

    step = books.booking(90, wrong)

    @app.agent
    async def body(ctx: Context) -> int:
        return await ctx.step(step).using(retries=3)

    async with app.test() as t:
        with pytest.raises(RunFailed, match="NotStorable"):
            await (await t.start(body())).result()
        assert books.booked(t) == []


async def test_one_that_is_too_slow_is_stopped_and_its_rows_are_not_there(app: App, books: Books) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(books.booking_and(books.endless)).using(timeout="50ms")
        except StepTimedOut as late:
            return late.message
        return "in time"

    async with app.test() as t:
        assert "longer than 0.05 s" in await (await t.start(body())).result()
        assert books.booked(t) == []


async def test_a_worker_that_gives_up_meanwhile_does_not_commit_it(app: App, world: World, books: Books) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(balance: int) -> int:
        world.done.append("begun")
        begun.set()
        await go_on.wait()
        return balance

    step = books.booking(90, slow)

    @app.agent
    async def body(ctx: Context) -> int:
        return await ctx.step(step).using(returns=int)

    async with app.test() as t:
        run = await t.start(body())
        await begun.wait()
        t.worker.die()
        go_on.set()
        await t.crash()
        assert await run.result() == 90
        assert books.booked(t) == [("ann", 90)] and world.done == ["begun", "begun"]


async def test_a_retried_run_does_not_do_again_what_it_had_done(app: App, world: World, books: Books) -> None:
    @app.agent
    async def body(ctx: Context) -> int:
        async def pay() -> int:
            return await ctx.step(books.book, "ann", 90)

        paying = asyncio.ensure_future(pay())
        await ctx.step(fragile)
        return await paying

    async def fragile() -> None:
        world.done.append("tried")
        while not books.booked(t):  # noqa: ASYNC110  # the other step does it
            await asyncio.sleep(0.01)
        if len(world.done) == 1:
            raise ConnectionError("down")

    async with app.test(check_replay=False) as t:
        run = await t.start(body())
        with pytest.raises(RunFailed):
            await run.result()
        assert books.booked(t) == [("ann", 90)]
        await t.retry(run.id)
        assert await run.result() == 90
        assert books.booked(t) == [("ann", 90)]


async def test_a_fork_that_keeps_the_keys_is_told_what_happened_one_that_does_not_does_it_again(
    app: App, books: Books
) -> None:
    @app.agent
    async def body(ctx: Context) -> int:
        return await ctx.step(books.book, "ann", 90)

    async with app.test() as t:
        run = await t.start(body())
        await run.result()
        kept = await t.fork(run.id, at=0, keep_keys=True)
        assert await (await t.get(kept.id)).result() == 90
        assert books.booked(t) == [("ann", 90)]
        again = await t.fork(run.id, at=0)
        assert await (await t.get(again.id)).result() == 180
        assert books.booked(t) == [("ann", 90), ("ann", 90)]


async def test_the_same_key_with_other_arguments_is_refused(app: App, books: Books) -> None:
    amounts = [90, 80]

    @app.agent
    async def body(ctx: Context) -> int:
        return await ctx.step(books.book, "ann", amounts.pop(0))

    async with app.test(check_replay=False) as t:
        t.crash_at("effect-ended")
        with pytest.raises(RunFailed, match="other arguments"):
            await (await t.start(body())).result()
        assert books.booked(t) == [("ann", 90)]


async def test_what_it_logs_and_asks_belongs_to_its_step(app: App, books: Books) -> None:
    async def key(balance: int) -> str:
        return idempotency_key()

    step = books.booking(1, key)

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(step).using(returns=str)

    async with app.test() as t:
        run = await t.start(body())
        assert await run.result() == f"{run.id}/{step.__qualname__.replace('<locals>.', '')}#1"


@pytest.mark.parametrize("form", ["method", "callable", "partial", "wrapped"])
async def test_whatever_takes_a_transaction_is_given_one(app: App, form: str, books: Books) -> None:
    @app.agent
    async def body(ctx: Context) -> int:
        amounts = () if form == "partial" else (5,)
        return await ctx.step(books.forms()[form], "ann", *amounts).using(key="it", returns=int)

    async with app.test() as t:
        assert await (await t.start(body())).result() == 5
        assert books.booked(t) == [("ann", 5)]


async def test_without_an_annotation_the_option_says_it(app: App, books: Books) -> None:
    async def there(tx: Any) -> int:
        return await books.book(tx, "ann", 3)

    def here(tx: Any) -> int:
        return books.book(tx, "ann", 3)

    unannotated = here if isinstance(books, SqliteBooks) else there

    @app.agent
    async def body(ctx: Context) -> int:
        return await ctx.step(unannotated).using(key="it", effect="transactional", returns=int)

    async with app.test() as t:
        assert await (await t.start(body())).result() == 3
        assert books.booked(t) == [("ann", 3)]


async def test_what_is_of_the_other_stores_kind_is_refused(app: App, books: Books) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        await ctx.step(books.of_the_other_kind()).using(retries=3)

    async with app.test() as t:
        run = await t.start(body())
        with pytest.raises(RunFailed, match="plain `def`"):
            await run.result()
        assert len(await journal(t, run)) == 1  # it would be the same the next time


async def test_other_effects_contradict_it(app: App, world: World, books: Books) -> None:
    @app.tool
    async def pay(amount: int) -> None: ...

    @app.agent
    async def body(ctx: Context) -> list[str]:
        wrong = [
            lambda: ctx.step(books.book, "ann", 1).using(effect="at_most_once"),
            lambda: pay(1).using(effect="transactional"),
            lambda: ctx.map(functools.partial(books.book, amount=1), ["a"], key=str).__await__(),  # type: ignore[call-overload]  # the point
        ]
        return [_refused(make) for make in wrong]

    async with app.test() as t:
        takes, tool, mapped = await (await t.start(body())).result()
    assert "takes a transaction" in takes and "ctx.step" in tool and "ctx.step" in mapped
    with pytest.raises(BadOption, match=r"ctx\.step"):
        app.tool(effect="transactional")(world.pay)  # type: ignore[call-overload]  # the point


def _refused(make: Any) -> str:
    try:
        make()
    except BadOption as error:
        return str(error)
    return "accepted"


async def test_it_is_strict_about_its_place_in_the_code(url: str, books: Books) -> None:
    async def old(ctx: Context) -> str:
        await ctx.step(books.book, "ann", 90)
        await ctx.promise("go", bool)
        return "old"

    async def new(ctx: Context) -> str:
        await ctx.promise("go", bool)
        return "new"

    with pytest.raises(RunBlocked, match="book"):
        await Deployments(url).result(old, new, check_replay=False)


async def test_two_steps_of_different_runs_do_not_fail_each_other(app: App, books: Books) -> None:
    @app.agent
    async def body(ctx: Context, amount: int) -> str:
        try:
            return str(await ctx.step(books.book, "ann", amount))
        except StepFailed:
            return "refused"

    async with app.test() as t:
        runs = [await t.start(body(amount)) for amount in (5, -5, 7)]
        said = [await run.result() for run in runs]
        assert said[1] == "refused"
        assert said[0] in ("5", "12") and said[2] in ("7", "12")  # one may have seen the other, or neither has
        assert sorted(books.booked(t)) == [("ann", 5), ("ann", 7)]
