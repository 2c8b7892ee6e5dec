"""What involves others: promises, children, maps, and ends that others bring about."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from holdfast import ChildFailed, Context, Failure, PromiseFailed, StepFailed
from holdfast.testing import Rig, RigRun
from tests.golden.house import Deps, app, broken, case, in_thread, many_words, pay, said, to_its_end

# -- promises


async def resolving(t: Rig, run: RigRun[Any]) -> None:
    await t.resolve(f"{run.id}/early", {"paid": True})
    await t.quiet()
    await t.advance("1h")
    await t.resolve(f"{run.id}/late", 7)
    await t.quiet()
    await t.fail(f"{run.id}/failed", "no money")
    await to_its_end(t, run)


@case(act=resolving)
@app.agent
async def promises(ctx: Context[Deps]) -> list[Any]:
    late, early = ctx.promise("late", int), ctx.promise("early", dict[str, bool])
    seen: list[Any] = [await ctx.step(said, late.id.rpartition("/")[2]), await early, await early, await late]
    try:
        await ctx.promise("failed", str)
    except PromiseFailed as error:
        seen.append(str(error))
    return [*seen, ctx.now().isoformat()]


# -- children


@app.agent
async def child(ctx: Context[Deps], name: str, seconds: float) -> str:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await ctx.step(said, f"{name} tidied")
        raise
    return await ctx.step(said, name)


@app.agent
async def sinking_child(ctx: Context[Deps], name: str) -> str:
    return await ctx.step(broken, name)


@case()
@app.agent
async def children(ctx: Context[Deps]) -> list[Any]:
    seen: list[Any] = [await child("first", 5), await asyncio.gather(child("b", 3), child("a", 1))]
    begun = await ctx.start(child("begun", 60), key="own key")
    await ctx.start(child("detached", 10**6), detached=True)
    try:
        await sinking_child("hole")
    except ChildFailed as error:
        seen.append(error.message)
    await begun.cancel(reason="enough")
    try:
        await begun.result()
    except ChildFailed as error:
        seen.append(type(error).__name__)
    try:
        await asyncio.wait_for(child("late", 50), 2)
    except TimeoutError:
        seen.append("timed out")
    return [*seen, begun.id.rpartition(".")[0] == ctx.run_id]


# -- maps


async def doubled(number: int) -> int:
    return number * 2


async def odd_only(number: int) -> int:
    if number % 2 == 0:
        raise ValueError(f"{number} is even")
    return number


@app.tool
async def weighed(number: int) -> int:
    return number * 10


@case()
@app.agent
async def maps(ctx: Context[Deps]) -> list[Any]:
    seen: list[Any] = [list(await ctx.map(doubled, range(5), key=str, concurrency=2))]
    seen.append(list(await ctx.map(in_thread, [3], key=str)))
    seen.append(list(await ctx.map(doubled, range(7), key=str, checkpoint_every=3)))
    seen.append(list(await ctx.map(weighed, [2, 1], key=str)))
    kept = await ctx.map(odd_only, range(4), key=str, on_error="collect")
    seen.append([one.error if isinstance(one, Failure) else one for one in kept])
    try:
        await ctx.map(odd_only, [1, 2, 3], key=str, concurrency=1)
    except StepFailed as error:
        seen.append(str(error))
    async for number, result in ctx.map(doubled, [9, 8], key=str, concurrency=1):
        seen.append([number, result])
    seen.append(len(await ctx.map(many_words, [10, 2000], key=str)))
    return [*seen, list(await ctx.map(doubled, [], key=str))]


@app.agent
async def named_child(ctx: Context[Deps], name: str) -> str:
    await asyncio.sleep(len(name))
    return await ctx.step(said, name)


@case()
@app.agent
async def maps_of_children(ctx: Context[Deps]) -> list[Any]:
    seen: list[Any] = [list(await ctx.map(named_child, ["ccc", "a", "bb"], key=str, concurrency=2))]
    async for name, result in ctx.map(named_child, ["dd", "e"], key=str):
        seen.append([name, result])
    kept = await ctx.map(sinking_child, ["x"], key=str, on_error="collect")
    return [*seen, [type(one).__name__ for one in kept]]


@case()
@app.agent
async def branches(ctx: Context[Deps]) -> list[Any]:
    async def outer(name: str) -> list[Any]:
        async def inner(number: int) -> str:
            await asyncio.sleep(number)
            return await ctx.step(said, f"{name}{number}")

        beside = asyncio.create_task(asyncio.sleep(100))
        seen: list[Any] = [await ctx.step(said, name), await named_child(name)]
        seen += [list(await ctx.map(inner, [2, 1], key=str)), list(await ctx.map(doubled, [4], key=str))]
        return [*seen, beside.done()]

    async def tidies(number: float) -> str:
        try:
            await asyncio.sleep(number)
            return await ctx.step(said, str(number))
        finally:
            await ctx.step(said, f"{number} tidied")

    seen: list[Any] = [list(await ctx.map(outer, ["a", "bb"], key=str))]
    try:
        await asyncio.wait_for(mapped(ctx, tidies), 2.5)
    except TimeoutError:
        await asyncio.sleep(5)
    return [*seen, await ctx.step(said, "end")]


async def mapped(ctx: Context[Deps], fn: Any) -> Any:
    return list(await ctx.map(fn, [4.0, 1.0, 3.0], key=str))


# -- ends, and runs that have none yet


async def cancelling(t: Rig, run: RigRun[Any]) -> None:
    await t.advance("1h")
    await run.cancel(reason="not needed any more")
    await to_its_end(t, run)


@case(act=cancelling)
@app.agent
async def cancelled(ctx: Context[Deps]) -> None:
    try:
        await asyncio.gather(asyncio.sleep(86_400), child("under it", 86_400))
    except asyncio.CancelledError:
        await ctx.step(said, "tidied")
        raise


@case(timeout="1d")
@app.agent
async def timed_out(ctx: Context[Deps]) -> None:
    await ctx.step(said, "begun")
    await asyncio.sleep(10 * 86_400)


@case(0, "")
@app.agent
async def endless(ctx: Context[Deps], rounds: int, seen: str) -> str:
    await asyncio.sleep(60)
    seen = await ctx.step(said, f"{seen}{rounds}")
    if rounds == 2:
        return f"{seen} {ctx.random.random()} {ctx.uuid()}"
    return await ctx.continue_as(endless(rounds + 1, seen))


@case()
@app.agent
async def changed(ctx: Context[Deps]) -> str:
    if ctx.changed("pay"):
        return await ctx.step(said, "the new way")
    return await pay("ann", Decimal(1))


async def half_way(t: Rig, run: RigRun[Any]) -> None:
    await t.resolve(f"{run.id}/map:waiting.waits#1/a/go", True)
    await t.quiet()
    await t.advance("1m")


@case(act=half_way)
@app.agent
async def waiting(ctx: Context[Deps]) -> list[Any]:
    async def waits(name: str) -> str:
        await ctx.step(said, name)
        await ctx.promise("go", bool)
        return await ctx.step(said, f"{name} went")

    before = await pay("bob", Decimal("0.10"))
    return [before, await asyncio.gather(mapped_waits(ctx, waits), asyncio.sleep(86_400))]


async def mapped_waits(ctx: Context[Deps], fn: Any) -> list[str]:
    return list(await ctx.map(fn, ["a", "b"], key=str))
