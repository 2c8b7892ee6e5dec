"""No store, a foreign one, a full disk: each a clear error, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast import App, Context, StoreBusy, StoreUnusable
from holdfast.records.run import Status
from holdfast.testing import Rig
from tests.kernel.making import World

# Files are what this is about; a server's troubles are in tests/contract/postgres.
pytestmark = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


@pytest.fixture
def job(app: App, world: World) -> Any:
    @app.agent
    async def job(ctx: Context) -> list[str]:
        got = [await ctx.step(world.do, name) for name in ("a", "b")]
        await ctx.promise("go", bool)
        return [*got, await ctx.step(world.do, "c")]

    return job


async def opened(app: App, path: Path) -> None:
    async with app.open(str(path)):
        pass


async def test_a_file_that_is_no_database_is_left_as_it_is(app: App, job: Any, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n" * 1000)
    with pytest.raises(StoreUnusable, match="is no SQLite file"):
        await opened(app, path)
    assert path.read_text() == "dear diary\n" * 1000


async def test_a_foreign_database_is_left_as_it_is(app: App, job: Any, tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (a)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="another application"):
        await opened(app, path)
    assert path.read_bytes() == before


async def test_a_database_of_a_newer_version_asks_for_an_update(app: App, job: Any, tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    await opened(app, path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(StoreUnusable, match="newer Holdfast"):
        await opened(app, path)


async def test_a_damaged_database_says_so(app: App, job: Any, tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    async with app.open(str(path)) as runtime:
        await runtime.start(job())
    content = bytearray(path.read_bytes())
    content[200:] = b"\xff" * (len(content) - 200)
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match=r"damaged|no SQLite file"):
        async with app.open(str(path)) as runtime:
            await runtime.find()


@pytest.mark.parametrize("url", ["mysql://here/db", "sqlite://wrong", "redis://here"])
async def test_a_url_that_names_no_store_says_what_to_write(app: App, job: Any, url: str) -> None:
    with pytest.raises(StoreUnusable, match="sqlite:///"):
        async with app.open(url):
            pass


async def test_another_sqlite_library_may_not_open_the_file_in_this_process(
    app: App, job: Any, url: str, world: World
) -> None:
    path = url.removeprefix("sqlite:///")

    def peek() -> str:
        try:
            sqlite3.connect(path).close()
        except RuntimeError as error:
            return str(error)
        return "opened"

    @app.agent
    async def curious(ctx: Context) -> str:
        return await ctx.step(peek)

    async with app.test(store=url) as t:
        run = await t.start(job())
        assert "close the store first" in await (await t.start(curious())).result()
        with pytest.raises(RuntimeError, match="close the store first"):
            shutil.copy(path, f"{path}.copy")
        await t.resolve(f"{run.id}/go", True)
        assert await run.result() == ["a", "b", "c"]
    sqlite3.connect(path).close()


# -- a full disk


@contextmanager
def full_disk(t: Rig) -> Iterator[None]:
    """The file can grow no more."""
    db = t.store._file._writer
    db.pragma("max_page_count", db.pragma("page_count") - db.pragma("freelist_count"))
    try:
        yield
    finally:
        db.pragma("max_page_count", 1 << 30)


@pytest.mark.parametrize("always_suspend", [False, True])
async def test_a_full_disk_loses_nothing_acknowledged_and_work_goes_on_when_there_is_space(
    app: App, world: World, always_suspend: bool
) -> None:
    def big(n: int) -> str:
        world.done.append(str(n))
        return str(n) * 100_000 + str(n)

    @app.agent
    async def job(ctx: Context) -> int:
        total = 0
        for n in range(10):
            total += len(await ctx.step(big, n).using(key=str(n)))
            if n == 4:
                await ctx.promise("go", bool)
        return total

    async with app.test(always_suspend=always_suspend) as t:
        run = await t.start(job())
        await t.quiet()
        recorded = await run.recorded()
        with full_disk(t):
            refused = 0
            for n in range(200):
                try:
                    await t.start(job(), key=f"k{n}")
                except StoreBusy as error:
                    assert "no space left" in str(error)
                    refused += 1
            assert refused
            acknowledged = sum((await t.store.count()).values())
            assert acknowledged == 1 + 200 - refused
            with pytest.raises(StoreBusy):
                for n in range(200):
                    await t.resolve(f"{run.id}/{n}", f"{n}" * 100_000)
            assert await run.recorded() == recorded, "reading goes on"
            await asyncio.sleep(0.2)
            assert not (await run.info()).status.ended
        assert await t.resolve(f"{run.id}/go", True)
        assert await run.result() == 10 * 100_001
        for one in await t.find():
            await t.resolve(f"{one.id}/go", True)
            assert await (await t.get(one.id)).result() == 10 * 100_001
        assert await t.store.count() == {Status.SUCCEEDED: acknowledged}


async def test_a_run_that_meets_a_full_disk_in_its_midst_waits_and_does_not_repeat_itself(
    app: App, world: World
) -> None:
    async def big(n: int) -> str:
        world.done.append(str(n))
        return "".join(chr(33 + (n * 7919 + i * i) % 5000) for i in range(60_000))

    @app.agent
    async def job(ctx: Context) -> int:
        total = 0
        for n in range(20):
            total += len(await ctx.step(big, n))
        return total

    async with app.test() as t:
        with full_disk(t):
            try:
                run = await t.start(job())
            except StoreBusy:
                pytest.skip("not even the run found a place")
            async with asyncio.timeout(60):
                while not t.worker._committer.struggling:  # noqa: ASYNC110  # a signal of the worker's
                    await asyncio.sleep(0.01)
            done = len(world.done)
            assert done < 20
            await asyncio.sleep(0.1)
            assert len(world.done) == done
        assert await run.result() == 20 * 60_000
    assert world.done == [str(n) for n in range(20)]
