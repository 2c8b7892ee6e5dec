"""Calls used wrongly: each a clear error that says which line to write."""

from __future__ import annotations

import asyncio
import inspect
import logging
from functools import partial

import pytest

from holdfast import App, BadOption, CallReused, Context, DuplicateKey, KeyConflict, NotInRun, UnknownRun, UsageError
from tests.kernel.making import World, result


async def test_a_call_is_used_once(app: App, world: World) -> None:
    pay = app.tool(world.pay)

    @app.agent
    async def child(ctx: Context) -> None: ...

    @app.agent
    async def body(ctx: Context) -> None:
        for make in (lambda: pay("it"), lambda: ctx.step(world.do, "it"), child):
            call = make()
            await call
            with pytest.raises(
                CallReused, match=r"test_calls_used_wrongly\.py:\d+, was awaited already.*make a new one"
            ):
                await call
            with pytest.raises(CallReused):
                call.using(timeout="1s")
        moved = pay("it")
        options = moved.using(timeout="1s")
        with pytest.raises(CallReused, match=r"moved by \.using"):
            await moved
        await options
        started = child()
        await ctx.start(started)
        with pytest.raises(CallReused, match="started"):
            await started

    await result(app, body())
    assert world.done == ["it"] * 3


async def test_a_call_in_two_tasks_is_used_once(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        call = ctx.step(world.do, "it")
        got = await asyncio.gather(call, asyncio.create_task(call), return_exceptions=True)
        return " ".join(sorted(type(one).__name__ for one in got))

    assert await result(app, body()) == "CallReused str"
    assert world.done == ["it"]


async def test_outside_a_run_calls_and_contexts_say_what_to_do(app: App, world: World) -> None:
    pay = app.tool(world.pay)
    kept: list[Context] = []

    @app.agent
    async def body(ctx: Context) -> None:
        kept.append(ctx)

    with pytest.raises(NotInRun, match=r"was awaited outside a run.*app\.run\(call\)"):
        await pay("it")
    with pytest.raises(NotInRun, match="outside a run"):
        await body()
    await result(app, body())
    (ctx, *_) = kept
    for use in (
        lambda: ctx.step(world.do, "it"),
        ctx.now,
        ctx.uuid,
        lambda: ctx.random,
        lambda: ctx.promise("p", bool),
        lambda: ctx.map(world.do, ["a"], key=str),
        lambda: ctx.progress(1),
        lambda: ctx.changed("pay"),
    ):
        with pytest.raises(NotInRun):
            use()
    assert world.done == []


async def test_a_steps_function_is_not_the_body(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        async def nested() -> str:
            try:
                return await ctx.step(world.do, "it")
            except NotInRun as error:
                return str(error)

        return await ctx.step(nested)

    assert "a step's function is not the body" in await result(app, body())


async def test_a_call_that_is_never_awaited_is_reported_with_its_line(
    app: App, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    pay = app.tool(world.pay)

    @app.agent
    async def body(ctx: Context) -> str:
        pay("forgotten")
        return "done"

    line = inspect.getsourcelines(inspect.unwrap(body.fn))[1] + 2
    with caplog.at_level(logging.ERROR, "holdfast.run"):
        assert await result(app, body()) == "done"
    (said,) = {record.getMessage() for record in caplog.records}
    assert f"test_calls_used_wrongly.py:{line}, was never awaited" in said and "pay(" in said
    assert world.done == []


async def test_tools_and_agents_are_called_not_passed_to_step(app: App, world: World) -> None:
    pay = app.tool(world.pay)

    @app.agent
    async def body(ctx: Context) -> None:
        for what in (pay, body):
            with pytest.raises(BadOption, match=rf"await {what.name}\(…\)"):
                ctx.step(what, "it")
        with pytest.raises(BadOption, match="pass the function and its arguments"):
            ctx.step("it")

    await result(app, body())


async def test_what_has_no_name_needs_a_key(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> list[str]:
        with pytest.raises(BadOption, match="no name to find its record by"):
            await ctx.step(lambda: "it")
        return [
            await ctx.step(lambda: "keyed").using(key="k", returns=str),
            await ctx.step(partial(partial(world.do), "partial")),
        ]

    assert await result(app, body()) == ["keyed", "partial"]


async def test_two_calls_under_one_key_are_refused(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        await ctx.step(world.do, "a").using(key="only")
        with pytest.raises(DuplicateKey, match="only"):
            await ctx.step(world.do, "b").using(key="only")

    await result(app, body())
    assert world.done == ["a"]


async def test_arguments_that_do_not_fit_say_so(app: App, world: World) -> None:
    pay = app.tool(world.pay)

    @app.agent
    async def body(ctx: Context) -> None:
        with pytest.raises(UsageError, match="missing a required argument"):
            await pay()

    await result(app, body())
    async with app.test() as t:
        with pytest.raises(UsageError, match="too many positional arguments"):
            await t.start(body("more"))


async def test_what_is_no_agents_call_cannot_be_started(app: App, world: World) -> None:
    pay = app.tool(world.pay)
    async with app.test() as t:
        for what in (pay("x"), "x", world.do):
            with pytest.raises(BadOption, match="write a call of an agent"):
                await t.start(what)


async def test_the_same_key_starts_one_run_and_another_input_is_refused(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context, what: str) -> str:
        return await ctx.step(world.do, what)

    @app.agent
    async def namesake(ctx: Context, what: str) -> str:
        return await ctx.step(world.do, f"namesake {what}")

    async with app.test() as t:
        first = await t.start(body("a"), key="k")
        again = await t.start(body("a"), key="k")
        assert first.id == again.id
        assert await first.result() == "a"
        assert (await t.start(body("a"), key="k")).id == first.id, "also when it has ended"
        with pytest.raises(KeyConflict, match=first.id):
            await t.start(body("b"), key="k")
        assert await (await t.start(namesake("a"), key="k")).result() == "namesake a", "keys are per agent"
        assert len(await t.find()) == 2
    assert world.done == ["a", "namesake a"]


async def test_a_run_that_is_not_there_is_unknown(app: App) -> None:
    async with app.test() as t:
        for ask in (t.get, t.cancel, t.resume, t.info):
            with pytest.raises(UnknownRun, match="nobody"):
                await ask("nobody")


@pytest.mark.parametrize("name", ["a/b", "", "a\0b"])
def test_an_app_whose_name_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(BadOption, match="cannot name an app"):
        App(name)


def test_what_is_no_agent_is_refused_where_it_is_defined(app: App) -> None:
    with pytest.raises(BadOption, match="async def"):

        @app.agent
        def not_async(ctx: Context) -> None: ...

    with pytest.raises(BadOption, match="takes no context"):

        @app.agent
        async def no_context() -> None: ...

    with pytest.raises(BadOption, match="cannot name"):

        @app.agent(name="a/b")
        async def odd_name(ctx: Context) -> None: ...
