"""What is recorded does not depend on where a workspace was: runs resume under another root as if nothing had been."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast import App, Context, codec
from holdfast.clock import VirtualClock
from holdfast.durable.workspace.place import MARK, Place
from holdfast.testing import RigRun
from tests.kernel.workspaces import append, read, rooted


class Moving:
    """One run: it begins under a root, waits there, and ends under another."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._clock = url, VirtualClock()
        self.before, self.after = folder / "before", folder / "after"
        self.run_id = ""

    async def move(self, body: Callable[..., Any]) -> Any:
        """The result of the run."""
        async with self._app(body).test(store=self._url, clock=self._clock, settings=rooted(self.before)) as t:
            job = next(iter(t.app.catalog.agents.values()))
            run = await t.start(job())
            self.run_id = run.id
            await t.quiet()
            assert not (await run.info()).status.ended, "it has to wait for something"
        async with self._app(body).test(store=self._url, clock=self._clock, settings=rooted(self.after)) as t:
            await t.resolve(f"{self.run_id}/go", True)
            moved: RigRun[Any] = await t.get(self.run_id)
            return await moved.result()

    @staticmethod
    def _app(body: Callable[..., Any]) -> App[Any]:
        app: App[None] = App("job")
        app.agent(name="job")(body)
        return app


@pytest.fixture
def moving(url: str, tmp_path: Path) -> Moving:
    return Moving(url, tmp_path)


def under(path: Path) -> list[str]:
    return [f"see {path}\nand {path}/x", str(path)]


async def test_values_that_steps_returned_name_the_workspace_where_it_is(moving: Moving) -> None:
    async def body(ctx: Context) -> list[list[str]]:
        log = await ctx.step(append, ctx.workspace / "log", "line")
        told = await ctx.step(under, log)
        mapped = list(await ctx.map(under, [log], key=lambda path: path.name))

        async def branch(name: str) -> list[str]:
            return await ctx.step(under, ctx.workspace / name)

        branched = list(await ctx.map(branch, ["log"], key=str))
        await ctx.promise("go", bool)
        await ctx.step(append, log, "after")
        here = under(ctx.workspace / "log")
        assert told == here and mapped == branched == [here]
        return [await ctx.step(under, log), told]

    now, before = await moving.move(body)
    assert now == before == under(Path(f"{MARK}/log")), "the result is of no place: the workspace is gone by then"


async def test_arguments_and_keys_that_name_it_are_the_same_everywhere(
    moving: Moving, caplog: pytest.LogCaptureFixture
) -> None:
    """Where they differ, steps are kept and logged, maps block, and what has a key of its own is not found."""

    async def body(ctx: Context) -> str:
        log = await ctx.step(append, ctx.workspace / "log", "line").using(key=str(ctx.workspace / "log"))
        await ctx.step(read, log).using(key=str(log), effect="at_most_once")
        await ctx.map(read, [log], key=str)
        await ctx.promise("go", bool)
        await ctx.step(read, log)
        return "done"

    assert await moving.move(body) == "done"
    assert "other arguments" not in caplog.text and "drift" not in caplog.text


async def test_a_tool_that_was_called_with_a_path_is_not_called_again(url: str, tmp_path: Path) -> None:
    delivered: list[str] = []
    clock, app = VirtualClock(), App("job")

    @app.tool
    async def deliver(path: Path) -> Path:
        delivered.append(read(path))
        return path

    @app.agent
    async def child(ctx: Context, path: str) -> str:
        return path

    @app.agent
    async def job(ctx: Context) -> str:
        log = await deliver(await ctx.step(append, ctx.workspace / "log", "line"))
        await child(str(log))
        await ctx.promise("go", bool)
        return await ctx.step(read, log)

    async with app.test(store=url, clock=clock, settings=rooted(tmp_path / "before")) as t:
        run = await t.start(job())
        await t.quiet()
    async with app.test(store=url, clock=clock, settings=rooted(tmp_path / "after")) as t:
        await t.resolve(f"{run.id}/go", True)
        assert await (await t.get(run.id)).result() == "line\n"
    assert delivered == ["line\n"]


@pytest.mark.parametrize("root", ["/w", "/tmp/with space", '/tmp/"quoted"\\back', "/tmp/schön"])
def test_a_portable_value_comes_back_whatever_it_contains(root: str) -> None:
    here, there = Place(lambda: Path(root, "run-1")), Place(lambda: Path("/elsewhere", "run-1"))
    here.touch()
    there.touch()
    shape = codec.shape_of(list[str])
    value = [
        f"{root}/run-1/a",
        f"{root}/run-12/a",
        f"{root}/run-1.7/a",
        f"{root}/run-1",
        MARK,
        "~holdfast::",
        "~holdfast:",
    ]
    portable = here.portable(shape.encode(value))
    assert shape.decode(here.local(portable)) == value
    moved = [text if number in (1, 2) else text.replace(root, "/elsewhere", 1) for number, text in enumerate(value)]
    assert shape.decode(there.local(portable)) == moved
