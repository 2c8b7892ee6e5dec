"""Invariant 1: what an await returned is durable before any effect that follows it.

Each effect looks into the store, from outside its run, for all that the body had observed when it asked for the effect.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from holdfast import App, Context
from holdfast.records.journal import Kind
from holdfast.store.base import Store

app = App("invariant-1")


class Outside:
    """What an effect finds in the store."""

    store: ClassVar[Store]
    missing: ClassVar[list[str]]
    effects: ClassVar[int]


async def look(observed: list[str]) -> str:
    """An effect: counts what the body had observed, or asked for, and the store does not have."""
    Outside.effects += 1
    entries = await Outside.store.journal("root" if await Outside.store.get("root") else observed[0])
    durable = {entry.key for entry in entries if entry.kind is not Kind.FIRED}
    durable |= {key for entry in entries if entry.kind is Kind.FIRED for key in entry.value.decode().split('"')}
    run = await Outside.store.get(observed[0])
    assert run is not None
    durable |= {f"item {ord}" for index in (await Outside.store.load(run.rid)).maps.values() for ord in index.ords}
    Outside.missing += [key for key in observed[1:] if key not in durable]
    return "seen"


async def length(text: str) -> int:
    return len(text)


@app.tool
async def tool(observed: list[str]) -> str:
    return await look(observed)


@app.agent
async def child(ctx: Context, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "grown"


@app.agent
async def body(ctx: Context) -> str:
    observed = [ctx.run_id]

    async def see(*keys: str) -> None:
        observed.extend(keys)
        await asyncio.gather(ctx.step(look, list(observed)), tool(list(observed)))
        observed.extend((f"look#{len(looks)}", f"tool#{len(looks)}"))
        looks.append(None)

    looks: list[None] = [None]
    await ctx.step(length, "four")
    await see("length#1")
    await asyncio.sleep(3)
    await see("~timer:3000000#1")
    await child(1.0)
    await see("child#1")
    second = await ctx.start(child(100.0))
    await see("child#2")
    paid = ctx.promise("paid", bool)
    await see("paid")
    assert await paid
    await see("paid")
    ctx.changed("tool")
    await see("~changed:tool#1")
    async for _, _ in ctx.map(length, ["a", "bb"], key=str, concurrency=1):
        await see("item 0")
    await see("item 0", "item 1")
    await asyncio.wait([asyncio.ensure_future(ctx.step(length, str(i))) for i in range(5)])
    await see(*(f"length#{i}" for i in range(2, 7)))
    try:
        await asyncio.wait_for(second.result(), 5)
    except TimeoutError:
        await see("~timer:5000000#1")
    await second.cancel()
    await see("~cancel:child#2")
    try:
        await asyncio.sleep(1000)
    finally:
        await ctx.step(look, [*observed, "~cancel"])
    return ""


async def observed_and_durable() -> None:
    async with app.test(check_replay=False) as t:
        Outside.store, Outside.missing, Outside.effects = t.store, [], 0
        run = await t.start(body())
        await t.advance("1m")
        await t.resolve(f"{run.id}/paid", True)
        await t.advance("1m")
        await run.cancel()
        await t.advance("1s")
        assert await run.status() == "cancelled"
        assert Outside.missing == []
        assert Outside.effects == 2 * 13 + 1


def test_every_effect_finds_in_the_store_what_its_body_had_observed() -> None:
    asyncio.run(observed_and_durable())


def test_what_was_observed_survives_a_crash_in_the_first_moment_of_the_next_effect() -> None:
    asyncio.run(crashed_as_effects_begin())


async def crashed_as_effects_begin() -> None:
    seen: list[Any] = []

    async def effect(number: int, before: list[float]) -> float:
        seen.append((number, before))
        return number * 1.5

    crashing = App("crashing")

    @crashing.agent
    async def chain(ctx: Context) -> list[float]:
        before: list[float] = []
        for number in range(5):
            before.append(await ctx.step(effect, number, list(before)))
        return before

    for nth in range(1, 6):
        seen.clear()
        async with crashing.test() as t:
            t.crash_at("effect-begins", nth=nth)
            assert await (await t.start(chain())).result() == [0.0, 1.5, 3.0, 4.5, 6.0]
            assert t.crashes == 1
        assert [number for number, _ in seen] == list(range(5))  # none was begun twice: all before it was durable
