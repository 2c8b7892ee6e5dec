"""Retention: runs that ended go by age and by number, whole trees at a time, and nothing of them stays behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from holdfast import App, BadOption, Context, RunFailed
from holdfast.durable.retention import Retention
from holdfast.errors import WrongState
from holdfast.settings import Settings
from holdfast.store.base import RunFilter
from tests.kernel.making import World
from tests.postgres import schemas

TABLES = "runs journal items promises inbox groups endings activations blobs tags files uses".split()


def rows(url: str) -> dict[str, int]:
    """How many rows each table has that belongs to runs. (Not while this process has the store open.)"""
    if url.startswith("postgresql:"):
        return schemas.rows(url)
    db = apsw.Connection(url.removeprefix("sqlite:///"))
    try:
        return {table: db.execute(f"SELECT count(*) FROM {table}").get for table in TABLES}
    finally:
        db.close()


@pytest.fixture
def app(world: World) -> App[None]:
    app = App("retention")

    async def read() -> str:
        return "x" * 50_000

    async def refuse() -> None:
        raise ValueError("no")

    def write(path: Path) -> None:
        path.write_text("kept")

    @app.agent
    async def child(ctx: Context, n: int) -> str:
        return await ctx.step(read)

    @app.agent
    async def big(ctx: Context) -> int:
        await ctx.promise("said", bool)
        await ctx.step(write, ctx.workspace / "file")
        found = [await child(0), *await ctx.map(child, [1, 2], key=str)]
        return len(found)

    @app.agent
    async def bad(ctx: Context) -> None:
        await ctx.step(refuse)

    @app.agent
    async def quick(ctx: Context, n: int) -> int:
        return await ctx.step(int, n)

    @app.agent
    async def leaves_a_child(ctx: Context) -> None:
        await ctx.start(lasting(), detached=True)

    @app.agent
    async def lasting(ctx: Context) -> None:
        await asyncio.sleep(30 * 24 * 3600)

    return app


async def test_nothing_of_a_deleted_tree_stays(app: App, url: str) -> None:
    big = app.catalog.agent("big")
    async with app.test(store=url) as t:
        run = await t.start(big(), tags=["a"])
        await t.resolve(f"{run.id}/said", True)
        assert await run.result() == 3
        with pytest.raises(WrongState, match="child"):
            await t.delete((await t.find(RunFilter(parent=run.id)))[0].id)
        await t.delete(run.id)
        assert await t.count() == {}
    assert set(rows(url).values()) == {0}
    async with app.test(store=url) as t:
        again = await t.start(app.catalog.agent("quick")(1))
        assert await again.result() == 1
        assert (await again.info()).rid > 4  # no row number is used twice


async def test_by_age_and_by_number_for_each_agent_and_status(app: App) -> None:
    quick, bad = app.catalog.agent("quick"), app.catalog.agent("bad")
    async with app.test() as t:
        for n in range(5):
            await (await t.start(quick(n))).result()
            with pytest.raises(RunFailed):
                await (await t.start(bad())).result()
            await t.advance("1d")
        assert await t.prune([Retention(count=4, status="succeeded"), Retention(agent="bad", age="3d12h")]) == 1 + 2
        assert sorted((str(status), many) for status, many in (await t.count()).items()) == [
            ("failed", 3),
            ("succeeded", 4),
        ]
        left = await t.find(RunFilter(agent="quick"))
        assert [int(run.result[1:]) for run in left if run.result] == [4, 3, 2, 1]  # the newest


async def test_what_lives_stays_and_keeps_its_tree(app: App) -> None:
    async with app.test() as t:
        waiting = await t.start(app.catalog.agent("lasting")())
        parent = await t.start(app.catalog.agent("leaves_a_child")())
        await parent.result()
        assert await t.prune([Retention(age="0s"), Retention(count=0)]) == 0
        with pytest.raises(WrongState, match="has not ended"):
            await t.delete(parent.id)
        with pytest.raises(WrongState, match="it is"):
            await t.delete(waiting.id)
        await t.advance("40d")
        assert await t.prune([Retention(count=0)]) == 3
        assert await t.count() == {}


async def test_workers_apply_the_rules_of_their_app_while_runs_are_live(world: World, url: str) -> None:
    app: App[None] = App("self-cleaning", retention=[Retention(count=10)])

    @app.agent
    async def quick(ctx: Context, n: int) -> int:
        return await ctx.step(int, n)

    async with app.open(url, settings=Settings(prune=0.01, linger=0.0)) as runtime:
        for start in range(0, 300, 50):
            await runtime.start_all([quick(n) for n in range(start, start + 50)])
        async with asyncio.timeout(120):
            watch = runtime.store.watch()
            while sum((await runtime.count()).values()) != 10:
                await watch.wait(1.0)
            watch.close()


def test_rules_that_say_nothing_are_refused() -> None:
    for wrong in ({}, {"count": -1}, {"age": "-1s"}, {"age": "soon"}, {"count": 1, "status": "waiting"}):
        with pytest.raises(BadOption):
            Retention(**wrong)  # type: ignore[arg-type]
