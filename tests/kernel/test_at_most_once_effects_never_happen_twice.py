"""``effect="at_most_once"``: the intent is durable before the effect begins; what was interrupted stays unknown."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import App, Context, OutcomeUnknown
from holdfast.records.journal import Kind
from tests.kernel.making import World, journal


def wiring(app: App, world: World):
    """An agent that wires once and says what it knows of it; a tool and a step do alike."""
    wire = app.tool(effect="at_most_once")(world.wire)

    @app.agent
    async def by_tool(ctx: Context) -> str:
        try:
            return await wire("100")
        except OutcomeUnknown as unknown:
            return f"unknown: {unknown.message}"

    @app.agent
    async def by_step(ctx: Context) -> str:
        try:
            return await ctx.step(world.wire, "100").using(effect="at_most_once")
        except OutcomeUnknown as unknown:
            return f"unknown: {unknown.message}"

    return {"tool": by_tool, "step": by_step}


@pytest.mark.parametrize("kind", ["tool", "step"])
async def test_undisturbed_it_happens_once(app: App, world: World, kind: str) -> None:
    agent = wiring(app, world)[kind]
    async with app.test() as t:
        run = await t.start(agent())
        assert await run.result() == "100"
        assert [entry.kind for entry in await journal(t, run)] == [Kind.INTENT, Kind.OUTCOME]
    assert world.done == ["100"]


@pytest.mark.parametrize("kind", ["tool", "step"])
@pytest.mark.parametrize("point", ["effect-begins", "effect-ended", "committed"])
async def test_after_a_crash_in_the_midst_its_outcome_is_unknown_and_it_is_not_repeated(
    app: App, world: World, kind: str, point: str
) -> None:
    agent = wiring(app, world)[kind]
    async with app.test() as t:
        t.crash_at(point)
        said = await (await t.start(agent())).result()
        assert t.crashes == 1
    assert said.startswith("unknown: it began") and "not tried again" in said
    assert len(world.done) <= 1


@pytest.mark.parametrize("kind", ["tool", "step"])
async def test_a_crash_before_its_intent_was_durable_does_not_count(app: App, world: World, kind: str) -> None:
    agent = wiring(app, world)[kind]
    async with app.test() as t:
        t.crash_at("committing")
        assert await (await t.start(agent())).result() == "100"
        assert t.crashes == 1
    assert world.done == ["100"]


@pytest.mark.parametrize("kind", ["tool", "step"])
async def test_a_crash_after_its_outcome_was_durable_does_not_count(app: App, world: World, kind: str) -> None:
    agent = wiring(app, world)[kind]
    async with app.test() as t:
        t.crash_at("committed", nth=2)
        assert await (await t.start(agent())).result() == "100"
        assert t.crashes == 1
    assert world.done == ["100"]


async def test_the_effect_that_the_body_gave_up_is_not_begun_again(app: App, world: World) -> None:
    async def slow(what: str) -> None:
        world.done.append(what)
        await asyncio.sleep(100)

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            async with asyncio.timeout(60):
                await ctx.step(slow, "once").using(effect="at_most_once")
        except TimeoutError:
            await asyncio.sleep(86_400)
        return await ctx.step(world.do, "after")

    async with app.test() as t:
        run = await t.start(body())
        while not world.done:  # noqa: ASYNC110  # the step itself must stay as it is
            await asyncio.sleep(0)
        t.clock.set(t.clock.now() + 61_000_000)
        await t.quiet()
        await t.crash()
        assert await run.result() == "after"
    assert world.done == ["once", "after"]
