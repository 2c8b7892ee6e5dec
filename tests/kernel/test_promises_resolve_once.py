"""A promise resolves once, whenever; resolved-before-awaited is delivered; nothing is lost in a race (6)."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from holdfast import App, BadOption, Context, NotStorable, PromiseFailed, UnknownRun
from holdfast.durable.points import on_reach
from tests.kernel.making import World


class Decision(BaseModel):
    amount: Decimal
    lines: list[int] = []


def asking(app: App, annotation: Any = bool):
    @app.agent
    async def ask(ctx: Context) -> Any:
        return await ctx.promise("answer", annotation)

    @app.agent
    async def ask_late(ctx: Context) -> Any:
        await asyncio.sleep(86_400)
        return await ctx.promise("answer", annotation)

    return ask, ask_late


async def test_resolved_while_it_is_awaited(app: App) -> None:
    ask, _ = asking(app)
    async with app.test() as t:
        run = await t.start(ask())
        await t.quiet()
        assert await t.resolve(f"{run.id}/answer", True) is True
        assert await run.result() is True


async def test_resolved_while_its_run_is_suspended(app: App) -> None:
    ask, _ = asking(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(ask())
        await t.quiet()
        assert (await run.status(), t.worker.active) == ("waiting", {})
        await t.resolve(f"{run.id}/answer", False)
        assert await run.result() is False


@pytest.mark.parametrize("always_suspend", [False, True])
async def test_resolved_before_it_is_declared(app: App, always_suspend: bool) -> None:
    _, ask_late = asking(app)
    async with app.test(always_suspend=always_suspend) as t:
        run = await t.start(ask_late())
        await t.quiet()
        assert await t.resolve(f"{run.id}/answer", True) is True
        assert await t.resolve(f"{run.id}/answer", False) is False
        assert await run.result() is True


async def test_resolved_before_its_run_was_ever_claimed(app: App) -> None:
    ask, _ = asking(app)
    async with app.test() as t:
        run = await t.start(ask())
        assert await t.resolve(f"{run.id}/answer", True) is True  # no turn of the loop lies between
        assert await run.result() is True


async def test_resolved_in_the_midst_of_suspending(app: App) -> None:
    """The compare-and-set on ``wakes``: whoever is second under the run's lock is told."""
    ask, _ = asking(app)
    for point in ("suspending", "suspended"):
        async with app.test(always_suspend=True) as t:
            run = await t.start(ask())
            resolving: list[asyncio.Task[bool]] = []

            def resolve(at: str, run_id: str, point: str = point, t=t, resolving=resolving) -> None:
                if at == point and not resolving:
                    resolving.append(asyncio.ensure_future(t.resolve(f"{run_id}/answer", True)))

            on_reach(resolve)
            assert await run.result() is True
            assert await resolving[0] is True


async def test_twice_resolved_the_first_counts(app: App) -> None:
    ask, _ = asking(app, str)
    async with app.test() as t:
        run = await t.start(ask())
        await t.quiet()
        answers = await asyncio.gather(*(t.resolve(f"{run.id}/answer", str(n)) for n in range(5)))
        assert answers.count(True) == 1
        assert await run.result() == str(answers.index(True))
        assert await t.resolve(f"{run.id}/answer", "late") is False


async def test_after_a_crash_the_answer_is_still_there(app: App) -> None:
    ask, _ = asking(app)
    async with app.test() as t:
        run = await t.start(ask())
        await t.quiet()
        await t.resolve(f"{run.id}/answer", True)
        await t.crash()
        assert await run.result() is True


async def test_failed_it_raises_what_was_said(app: App) -> None:
    @app.agent
    async def ask(ctx: Context) -> str:
        promise = ctx.promise("answer", bool)
        said = []
        for _ in range(2):
            try:
                await promise
            except PromiseFailed as failed:
                said.append(failed.message)
            await asyncio.sleep(60)
        return " ".join(said)

    async with app.test() as t:
        run = await t.start(ask())
        await t.quiet()
        assert await t.fail(f"{run.id}/answer", "nobody is here") is True
        assert await t.resolve(f"{run.id}/answer", True) is False
        assert await run.result() == "nobody is here nobody is here"


async def test_a_value_of_the_wrong_type_is_refused_with_its_path_and_the_promise_stays_open(app: App) -> None:
    @app.agent
    async def ask(ctx: Context) -> str:
        return str((await ctx.promise("answer", Decision)).amount)

    async with app.test() as t:
        run = await t.start(ask())
        await t.quiet()
        with pytest.raises(NotStorable, match=r"\$\.lines\[1\]"):
            await t.resolve(f"{run.id}/answer", {"amount": "9.90", "lines": [1, "two"]})
        with pytest.raises(NotStorable, match="amount"):
            await t.resolve(f"{run.id}/answer", {})
        with pytest.raises(NotStorable):
            await t.resolve(f"{run.id}/answer", object())
        assert await t.resolve(f"{run.id}/answer", {"amount": "9.90", "lines": [1, 2]}) is True
        assert await run.result() == "9.90"


async def test_typed_values_arrive_as_their_type(app: App) -> None:
    @app.agent
    async def ask(ctx: Context) -> Decision:
        got = await ctx.promise("answer", Decision)
        assert type(got) is Decision
        return got

    async with app.test() as t:
        for value in (Decision(amount=Decimal("1.5")), {"amount": "1.5"}):
            run = await t.start(ask())
            await t.quiet()
            await t.resolve(f"{run.id}/answer", value)
            assert await run.result() == Decision(amount=Decimal("1.5"))


async def test_a_wrong_value_given_before_the_declaration_fails_the_promise_not_the_run(app: App) -> None:
    @app.agent
    async def ask(ctx: Context) -> str:
        await asyncio.sleep(60)
        try:
            await ctx.promise("answer", Decision)
        except PromiseFailed as failed:
            return failed.type_name
        return ""

    async with app.test() as t:
        run = await t.start(ask())
        await t.quiet()
        await t.resolve(f"{run.id}/answer", "anything")
        assert await run.result() == "NotStorable"


async def test_the_same_name_is_the_same_promise_and_can_be_awaited_often(app: App) -> None:
    @app.agent
    async def ask(ctx: Context) -> list[int]:
        one, other = ctx.promise("answer", int), ctx.promise("answer", int)
        assert one.id == other.id == f"{ctx.run_id}/answer"

        async def wait() -> int:
            return await one

        together = await asyncio.gather(wait(), wait(), wait())
        await asyncio.sleep(60)
        return [*together, await other, await one, await ctx.promise("answer", int)]

    async with app.test() as t:
        run = await t.start(ask())
        await t.quiet()
        await t.resolve(f"{run.id}/answer", 7)
        assert await run.result() == [7] * 6


async def test_a_promise_of_a_branch_is_another_one(app: App, world: World) -> None:
    @app.agent
    async def ask(ctx: Context) -> list[int]:
        async def one(n: int) -> int:
            promise = ctx.promise("answer", int)
            await ctx.step(world.do, promise.id)
            return await promise

        return [await ctx.promise("answer", int), *await ctx.map(one, range(3), key=str)]

    async with app.test() as t:
        run = await t.start(ask())
        await t.quiet()
        await t.resolve(f"{run.id}/answer", -1)
        await t.quiet()
        assert len(set(world.done)) == 3
        for n, promise in enumerate(sorted(set(world.done))):
            assert await t.resolve(promise, n) is True
        assert sorted(await run.result()) == [-1, 0, 1, 2]


async def test_it_can_be_awaited_with_a_time_limit(app: App) -> None:
    @app.agent
    async def ask(ctx: Context) -> str:
        promise = ctx.promise("answer", str)
        try:
            async with asyncio.timeout(86_400):
                return await promise
        except TimeoutError:
            await asyncio.sleep(86_400)
            return f"late: {await promise}"

    async with app.test() as t:
        in_time, late = await t.start(ask()), await t.start(ask())
        await t.advance("23h")
        await t.resolve(f"{in_time.id}/answer", "yes")
        await t.advance("2h")
        await t.resolve(f"{late.id}/answer", "yes")
        assert [await in_time.result(), await late.result()] == ["yes", "late: yes"]


async def test_it_belongs_to_a_run_that_exists_and_has_not_ended(app: App) -> None:
    ask, _ = asking(app)
    async with app.test() as t:
        with pytest.raises(UnknownRun):
            await t.resolve("nobody/answer", True)
        run = await t.start(ask())
        await t.resolve(f"{run.id}/answer", True)
        await run.result()
        assert await t.resolve(f"{run.id}/other", True) is False


@pytest.mark.parametrize("name", ["", "a/b", "a#b"])
async def test_names_that_would_not_be_found_again_are_refused(app: App, name: str) -> None:
    @app.agent
    async def ask(ctx: Context) -> None:
        with pytest.raises(BadOption):
            ctx.promise(name, bool)

    async with app.test() as t:
        await (await t.start(ask())).result()
