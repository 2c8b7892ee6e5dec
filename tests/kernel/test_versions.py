"""Runs stay with the version that they began with; each activation says which build it ran."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import App, Context, DuplicateName, UnknownAgent
from holdfast.clock import VirtualClock
from holdfast.store.base import RunFilter


def two_versions(app: App[Any]) -> dict[str, Any]:
    async def first(ctx: Context) -> str:
        await ctx.promise("go", bool)
        return "first"

    async def second(ctx: Context) -> str:
        await ctx.promise("go", bool)
        return "second"

    return {
        "1": app.agent(name="job", version="1")(first),
        "2": app.agent(name="job", version="2")(second),
    }


async def test_two_versions_live_in_one_app_and_each_run_keeps_its_own(app: App) -> None:
    versions = two_versions(app)

    @app.agent
    async def parent(ctx: Context) -> list[str]:
        return list(await asyncio.gather(versions["1"](), versions["2"](), versions["2"]().using(version="1")))

    async with app.test(always_suspend=True) as t:
        runs = [
            await t.start(versions["1"]()),
            await t.start(versions["2"]()),
            await t.start(versions["2"]().using(version="1")),
        ]
        of_parent = await t.start(parent())
        await t.quiet()
        children = await t.find(RunFilter(parent=of_parent.id))
        await t.crash()
        for run_id in [*(run.id for run in runs), *(child.id for child in children)]:
            await t.resolve(f"{run_id}/go", True)
        assert [await run.result() for run in runs] == ["first", "second", "first"]
        assert await of_parent.result() == ["first", "second", "first"]


async def test_each_activation_records_the_build_that_it_ran(url: str) -> None:
    clock, run_id, builds = VirtualClock(), "", []

    async def old(ctx: Context) -> int:
        await ctx.promise("go", bool)
        return 1

    async def new(ctx: Context) -> int:
        await ctx.promise("go", bool)
        return 2

    for body in (old, new):
        app: App[None] = App("job")
        job = app.agent(name="job")(body)
        builds.append(job.build)
        async with app.test(store=url, clock=clock, always_suspend=True) as t:
            if not run_id:
                run_id = (await t.start(job())).id
                await t.quiet()
            else:
                await t.resolve(f"{run_id}/go", True)
                assert await (await t.get(run_id)).result() == 2
                activations = await t.activations(run_id)
    assert builds[0] != builds[1]
    assert [one.build for one in activations] == builds
    assert [one.epoch for one in activations] == [1, 2]
    assert len({one.worker for one in activations}) == 2


async def test_a_run_whose_version_nobody_hosts_waits_and_says_so(url: str) -> None:
    clock = VirtualClock()
    old: App[None] = App("job")
    versions = two_versions(old)
    async with old.test(store=url, clock=clock) as t:
        run_id = (await t.start(versions["1"]())).id
        await t.quiet()
    new: App[None] = App("job")

    @new.agent(name="job", version="3")
    async def third(ctx: Context) -> str:
        return "third"

    async with new.test(store=url, clock=clock) as t:
        await t.resolve(f"{run_id}/go", True)
        await t.quiet()
        info = await t.info(run_id)
        assert not info.status.ended and info.worker is None
        assert await t.why_waiting(info) == "no live worker hosts agent job version 1: start one that does"
        assert await (await t.start(third())).result() == "third", "others go on"
        assert len(await t.activations(run_id)) == 1
    async with old.test(store=url, clock=clock) as t:
        assert await (await t.get(run_id)).result() == "first"


async def test_a_worker_may_host_only_some_agents(app: App, url: str) -> None:
    @app.agent
    async def one(ctx: Context) -> str:
        return "one"

    @app.agent
    async def other(ctx: Context) -> str:
        return "other"

    async with app.open(url, agents=["one"]) as runtime:
        assert await (await runtime.start(one())).result() == "one"
        waiting = await runtime.start(other())
        assert await waiting.status() == "queued"
        with pytest.raises(TimeoutError):
            await waiting.result(timeout="100ms")
    with pytest.raises(UnknownAgent, match="nobody"):
        async with app.open(url, agents=["nobody"]):
            pass


def test_two_functions_under_one_name_and_version_are_refused(app: App) -> None:
    two_versions(app)
    with pytest.raises(DuplicateName, match=r"agent 'job' version '2' is defined twice"):
        two_versions_again = app.agent(name="job", version="2")

        @two_versions_again
        async def third(ctx: Context) -> None: ...

    @app.tool
    async def pay() -> None: ...

    with pytest.raises(DuplicateName, match="tool 'pay' is defined twice"):
        app.tool(name="pay")(pay.fn)


async def test_a_version_that_is_defined_nowhere_is_unknown(app: App) -> None:
    versions = two_versions(app)
    stranger = App("elsewhere").agent(name="stranger")(versions["1"].fn)
    async with app.test() as t:
        with pytest.raises(UnknownAgent, match=r"version '9'.*there are: 1, 2"):
            await t.start(versions["1"]().using(version="9"))
        with pytest.raises(UnknownAgent, match=r"'stranger' version '1'.*none"):
            await t.start(stranger())
        assert await t.find() == []
