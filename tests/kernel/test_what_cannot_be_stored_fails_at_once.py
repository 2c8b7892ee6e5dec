"""A value that would not come back as it went in fails its call at once, with its path; nothing retries on it (12)."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from holdfast import App, Context, NotStorable, RunFailed, StepFailed, TooLarge
from holdfast.codec import MAX_VALUE
from tests.kernel.making import World, result


class Item(BaseModel):
    price: Decimal


class Cart(BaseModel):
    items: list[Any]


class Client:
    def __repr__(self) -> str:  # the same in every process: it is part of a test's name
        return "<client>"


BAD_RESULTS: list[tuple[Any, Any, str]] = [
    (Any, Client(), r"\$: "),
    (Any, {"a": [1, Client()]}, r"\$\.a\[1\]"),
    (Any, (1, 2), r"\$: "),  # would come back as a list
    (Any, {1: "a"}, r"\$"),  # would come back as {"1": …}
    (Any, "\ud800", r"surrogate"),
    (int, "x", r"\$: "),
    (int, True, r"\$: "),
    (list[int], [1, 2, "3"], r"\$\[2\]"),
    (Cart, Cart(items=[1, Item(price=Decimal(1))]), r"\$\.items\[1\]"),
    (Item, Cart(items=[]), r"\$"),
    (float, Decimal("0.1"), r"\$"),
]


@pytest.mark.parametrize(("annotation", "value", "path"), BAD_RESULTS, ids=lambda given: repr(given)[:30])
async def test_a_result_that_does_not_survive_fails_its_step_once_and_names_the_path(
    app: App, annotation: Any, value: Any, path: str
) -> None:
    attempts: list[int] = []

    async def make() -> Any:
        attempts.append(1)
        return value

    @app.agent
    async def body(ctx: Context) -> None:
        with pytest.raises(StepFailed, match=path) as failed:
            await ctx.step(make).using(returns=annotation, retries=5)
        assert failed.value.type_name == "holdfast.errors.NotStorable"
        assert len(attempts) == 1

    await result(app, body())
    assert attempts == [1]


async def test_without_an_annotation_json_values_only(app: App) -> None:
    def make(plain):  # that is the point
        return {"a": 1} if plain else {1, 2}

    @app.agent
    async def body(ctx: Context) -> Any:
        with pytest.raises(StepFailed, match=r"NotStorable: \$"):
            await ctx.step(make, False)
        return await ctx.step(make, True)

    assert await result(app, body()) == {"a": 1}


async def test_arguments_of_plain_steps_need_not_be_storable(app: App) -> None:
    async def use(client: Client) -> str:
        return type(client).__name__

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(use, Client())

    assert await result(app, body()) == "Client"


async def test_arguments_of_tools_and_agents_must_be_storable_and_the_path_is_named(app: App, world: World) -> None:
    @app.tool
    async def send(cart: Cart) -> None:
        world.done.append("sent")

    @app.agent
    async def child(ctx: Context, cart: Cart) -> None:
        world.done.append("born")

    @app.agent
    async def body(ctx: Context) -> str:
        with pytest.raises(NotStorable, match=r"argument cart\.items\[0\]"):
            await send(Cart(items=[Client()]))
        with pytest.raises(NotStorable, match=r"argument cart\.items\[0\]"):
            await child(Cart(items=[Client()]))
        with pytest.raises(NotStorable, match=r"argument cart\.items\[0\]"):
            await ctx.start(child(Cart(items=[Client()])))
        return "went on"

    async with app.test() as t:
        with pytest.raises(NotStorable, match=r"argument cart\.items\[0\]"):
            await t.start(child(Cart(items=[Client()])))
        assert await (await t.start(body())).result() == "went on"
        assert len(await t.find()) == 1
    assert world.done == []


async def test_a_result_of_the_wrong_type_fails_the_run_with_its_path(app: App) -> None:
    @app.agent
    async def body(ctx: Context) -> list[int]:
        return [1, "2"]  # type: ignore[list-item]

    with pytest.raises(RunFailed, match=r"NotStorable: \$\[1\]"):
        await result(app, body())


# -- size

BIG = "x" * (MAX_VALUE + 1)


async def test_a_result_above_16_mb_fails_its_step_and_is_not_tried_again(app: App) -> None:
    attempts: list[int] = []

    def make() -> str:
        attempts.append(1)
        return BIG

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(make).using(retries=5)
        except StepFailed as failed:
            return failed.type_name
        return ""

    assert await result(app, body()) == "holdfast.errors.TooLarge"
    assert attempts == [1]


async def test_a_result_just_below_the_limit_is_stored(app: App) -> None:
    def make() -> str:
        return BIG[:-10]

    @app.agent
    async def body(ctx: Context) -> int:
        got = await ctx.step(make)
        await asyncio.sleep(60)
        return len(got)

    assert await result(app, body()) == MAX_VALUE - 9


async def test_arguments_above_16_mb_are_refused_where_they_are_given(app: App, world: World) -> None:
    send = app.tool(world.pay)

    @app.agent
    async def child(ctx: Context, text: str) -> None: ...

    @app.agent
    async def body(ctx: Context) -> str:
        promise = ctx.promise("text", str)
        for call in (send(BIG), child(BIG), child(BIG).using(key="other")):
            with pytest.raises(TooLarge):
                await call
        with pytest.raises(TooLarge):
            await ctx.start(child(BIG))
        with pytest.raises(TooLarge):
            await ctx.continue_as(child(BIG))
        return await promise

    async with app.test() as t:
        with pytest.raises(TooLarge):
            await t.start(child(BIG))
        run = await t.start(body())
        await t.quiet()
        with pytest.raises(TooLarge):
            await t.resolve(f"{run.id}/text", BIG)
        await t.resolve(f"{run.id}/text", "short")
        assert await run.result() == "short"
    assert world.done == []


async def test_a_run_result_above_16_mb_fails_the_run(app: App) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        return BIG

    with pytest.raises(RunFailed, match="TooLarge"):
        await result(app, body())


async def test_a_branch_and_an_item_above_16_mb_fail_their_map(app: App) -> None:
    def big(n: int) -> str:
        return BIG

    @app.agent
    async def body(ctx: Context) -> list[str]:
        async def branch(n: int) -> str:
            return BIG

        got = [
            *await ctx.map(big, [1], key=str, on_error="collect"),
            *await ctx.map(branch, [1], key=str, on_error="collect"),
        ]
        return [failure.error.partition(":")[0] for failure in got]

    assert await result(app, body()) == ["holdfast.errors.TooLarge"] * 2


async def test_outcomes_of_one_drain_may_add_up_beyond_the_limit_of_a_delta(app: App) -> None:
    def make(n: int) -> str:
        return str(n) * (MAX_VALUE // 2)

    @app.agent
    async def body(ctx: Context) -> int:
        return sum(map(len, await asyncio.gather(*(ctx.step(make, n) for n in range(6)))))

    assert await result(app, body()) == 6 * (MAX_VALUE // 2)
