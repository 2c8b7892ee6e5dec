"""A run is moved to another version of its agent only if that version's code does again what is recorded."""

from __future__ import annotations

import pytest

from holdfast import App, Context, UnknownAgent
from holdfast.errors import WrongState
from tests.kernel.making import World


def app_with(world: World, *versions: str) -> App[None]:
    app: App[None] = App("versions")

    @app.tool
    async def pay(what: str) -> str:
        return await world.do(what)

    if "1" in versions:

        @app.agent(name="job", version="1")
        async def job_1(ctx: Context) -> str:
            await pay("first")
            await ctx.promise("go", bool)
            return "old"

    if "2" in versions:

        @app.agent(name="job", version="2")
        async def job_2(ctx: Context) -> str:
            await pay("first")
            await ctx.promise("go", bool)
            return await ctx.step(world.also, "new")

    if "3" in versions:

        @app.agent(name="job", version="3")
        async def job_3(ctx: Context) -> str:
            await pay("something else")
            return "never"

    return app


async def test_it_goes_on_as_the_version_that_fits(world: World) -> None:
    app = app_with(world, "1", "2", "3")
    async with app.test(check_replay=False) as t:
        run = await t.start(app.catalog.agents[app.catalog.hosted()[0]]())
        await t.quiet()
        with pytest.raises(WrongState, match=r"running|pause it first"):
            if (await run.info()).status != "running":
                raise WrongState("running")  # always suspended
            await t.move(run.id, "2")
        await t.pause(run.id)
        await t.quiet()
        before = await run.info()
        with pytest.raises(WrongState, match=r"does not fit version 3.*pay#1"):
            await t.move(run.id, "3")
        with pytest.raises(UnknownAgent):
            await t.move(run.id, "4")
        assert await run.info() == before
        await t.move(run.id, "2")
        await t.resume(run.id)
        await t.resolve(f"{run.id}/go", True)
        assert await run.result() == "new"
        assert world.done == ["first", "new"]
        with pytest.raises(WrongState, match="fork it"):
            await t.move(run.id, "1")
