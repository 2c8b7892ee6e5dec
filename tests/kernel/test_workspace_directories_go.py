"""A workspace's directory is there while its run is in memory and a step has begun; else a run costs rows only."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast import App, Context, Settings, StepTimedOut
from holdfast.durable.workspace.folder import Folder, root_of
from holdfast.errors import BadOption
from holdfast.testing import Rig
from tests.kernel.workspaces import append, directories, inside, read, removed, rooted, write


async def test_a_suspended_run_has_no_directory(app: App) -> None:
    @app.agent
    async def job(ctx: Context) -> str:
        log = await ctx.step(append, ctx.workspace / "log", "line")
        await asyncio.sleep(86400)
        return await ctx.step(read, log)

    async with app.test(settings=Settings(linger=600.0), always_suspend=False) as t:
        run = await t.start(job())
        await t.quiet()
        assert directories(t) == [run.id], "it lingers"
    async with app.test(always_suspend=False) as t:
        run = await t.start(job())
        await t.quiet()
        await removed(t)
        assert await run.status() == "waiting"
        assert await run.result() == "line\n"
        await removed(t)


async def test_a_run_that_does_not_ask_for_it_has_none(app: App, tmp_path: Path) -> None:
    @app.agent
    async def job(ctx: Context) -> None:
        await ctx.step(str, "nothing")

    root = tmp_path / "workspaces"
    async with app.test(settings=rooted(root)) as t:
        await (await t.start(job())).result()
    assert not root.exists()


async def test_a_directory_is_for_its_owner_alone(app: App, tmp_path: Path) -> None:
    modes: list[int] = []

    @app.agent
    async def job(ctx: Context) -> None:
        await ctx.step(lambda path: modes.append(path.stat().st_mode & 0o777), ctx.workspace).using(key="look")

    async with app.test(settings=rooted(tmp_path / "root")) as t:
        await (await t.start(job())).result()
    assert modes == [0o700] and (tmp_path / "root").stat().st_mode & 0o777 == 0o700


async def test_it_can_be_kept_to_look_into(app: App, tmp_path: Path) -> None:
    @app.agent
    async def job(ctx: Context) -> None:
        await ctx.step(write, ctx.workspace / "a/b", "text")

    async with app.test(settings=replace(rooted(tmp_path), keep_workspaces=True)) as t:
        run = await t.start(job())
        await run.result()
    assert inside(tmp_path / run.id) == {"a": "folder 755", "a/b": "text 644"}


class Straggler:
    """A sync step that times out, and whose thread goes on."""

    def __init__(self) -> None:
        self.writing, self.may_go_on, self.wrote = threading.Event(), threading.Event(), threading.Event()

    def work(self, folder: Path) -> None:
        self.writing.set()
        self.may_go_on.wait(60)
        write(folder / "late", "too late")
        self.wrote.set()


async def test_it_stays_while_a_thread_still_writes_there(app: App) -> None:
    straggler = Straggler()

    @app.agent
    async def job(ctx: Context) -> dict[str, str]:
        await ctx.step(write, ctx.workspace / "kept", "kept")
        with pytest.raises(StepTimedOut):
            await ctx.step(straggler.work, ctx.workspace).using(timeout="20ms")
        await asyncio.sleep(86400)
        return await ctx.step(inside, ctx.workspace)

    async with app.test(always_suspend=True) as t:
        run = await t.start(job())
        await _timed_out(t, straggler)
        (left,) = directories(t)
        # Resumed while the thread is at work: in a directory of its own, into which the thread does not write.
        assert await run.result() == {"kept": "kept 644"}
        assert left in directories(t)
        straggler.may_go_on.set()
        await asyncio.to_thread(straggler.wrote.wait, 60)
        await removed(t)


async def _timed_out(t: Rig, straggler: Straggler) -> None:
    await asyncio.to_thread(straggler.writing.wait, 60)
    async with asyncio.timeout(60):
        while not [run for run in await t.find() if run.status == "waiting"]:  # noqa: ASYNC110  # the store tells only by being asked
            await asyncio.sleep(0.001)


def test_two_activations_never_have_the_same_directory(tmp_path: Path) -> None:
    first, second = Folder(tmp_path, "run-1", 1), Folder(tmp_path, "run-1", 2)
    assert first.claim() == tmp_path / "run-1" != second.claim()
    first.make()
    second.make()
    write(second.path / "file", "mine")
    first.remove()
    first.release()
    assert inside(second.path) == {"file": "mine 644"}
    third = Folder(tmp_path, "run-1", 3)
    assert third.claim() == tmp_path / "run-1"
    second.release()
    third.release()


def test_the_default_root_is_this_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: 1234)
    assert root_of("") == tmp_path / "holdfast-1234"
    tmp_path.chmod(0o777)
    (tmp_path / "holdfast-1234").mkdir()  # by somebody else: its owner is not 1234
    folder = Folder(root_of(""), "run-1", 1)
    folder.claim()
    with pytest.raises(BadOption, match="HOLDFAST_WORKSPACES"):
        folder.make()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_WORKSPACES", "/data/workspaces")
    monkeypatch.setenv("HOLDFAST_KEEP_WORKSPACES", "1")
    settings = Settings.from_environment()
    assert (settings.workspaces, settings.keep_workspaces, settings.concurrency) == ("/data/workspaces", True, 1000)


async def test_a_root_that_cannot_be_used_blocks_the_run_until_it_is_mended(app: App, tmp_path: Path) -> None:
    @app.agent
    async def job(ctx: Context) -> str:
        return await ctx.step(read, await ctx.step(append, ctx.workspace / "log", "line"))

    root = tmp_path / "root"
    root.write_text("no folder")
    async with app.test(settings=rooted(root)) as t:
        run = await t.start(job())
        await t.quiet()
        assert await run.status() == "blocked"
        assert "workspace cannot be used" in await t.why_waiting(await run.info())
        root.unlink()
        await t.resume(run.id)
        assert await run.result() == "line\n"
