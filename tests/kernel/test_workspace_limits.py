"""What a workspace cannot keep fails the step at once, by name; it is mended, and the run goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast import App, Context, StepFailed
from holdfast.errors import NotStorable, TooLarge
from tests.kernel.workspaces import append, contents, inside, write

SCAN = "holdfast.durable.workspace.scan"


async def fails(app: App, spoil: Callable[[Path], object], mend: Callable[[Path], object]) -> tuple[StepFailed, str]:
    """The failure of a step that spoils the workspace; its run's id. Once mended, the next step is recorded."""
    failures: list[StepFailed] = []

    @app.agent
    async def job(ctx: Context) -> dict[str, str]:
        await ctx.step(write, ctx.workspace / "before", "before")
        with pytest.raises(StepFailed) as failed:
            await ctx.step(spoil, ctx.workspace).using(key="spoil", retries=3)
        failures.append(failed.value)
        await ctx.step(mend, ctx.workspace).using(key="mend")
        await ctx.step(write, ctx.workspace / "after", "after")
        await asyncio.sleep(86400)
        return await ctx.step(inside, ctx.workspace)

    async with app.test(always_suspend=True) as t:
        run = await t.start(job())
        found = await run.result()
        assert set(found) == {"before", "after"}
        assert set(await contents(t, run.id)) == {"before", "after"}
    return failures[0], run.id


async def test_a_file_that_is_too_large(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{SCAN}.MAX_FILE", 1000)
    failed, run_id = await fails(
        app, lambda folder: write(folder / "big.bin", "x" * 1001), lambda folder: os.remove(folder / "big.bin")
    )
    assert failed.type_name == f"{TooLarge.__module__}.TooLarge"
    assert all(said in failed.message for said in (run_id, "big.bin", "1,001", "1,000"))


async def test_a_workspace_that_is_too_large(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{SCAN}.MAX_WORKSPACE", 1000)

    def spoil(folder: Path) -> None:
        for number in range(3):
            write(folder / f"part {number}", "x" * 400)

    def mend(folder: Path) -> None:
        for number in range(3):
            os.remove(folder / f"part {number}")

    failed, run_id = await fails(app, spoil, mend)
    assert all(said in failed.message for said in (run_id, "in its workspace", "1,20", "1,000"))


async def test_many_more_files_than_it_holds(app: App) -> None:
    """Refused before any of them is read, while other runs go on."""

    def spoil(folder: Path) -> None:
        (folder / "many").mkdir()
        for number in range(10_500):
            os.close(os.open(folder / "many" / str(number), os.O_CREAT | os.O_WRONLY))

    def mend(folder: Path) -> None:
        for number in range(10_500):
            os.unlink(folder / "many" / str(number))
        (folder / "many").rmdir()

    failed, run_id = await fails(app, spoil, mend)
    assert all(said in failed.message for said in (run_id, "many/", "10,000 files"))


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "odd")


def listening(folder: Path) -> None:
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(folder)  # addresses are short
        try:
            listener.bind("odd")
        finally:
            os.chdir(here)


def absolute(folder: Path) -> None:
    (folder / "odd").symlink_to("/etc/passwd")


def upwards(folder: Path) -> None:
    (folder / "odd").symlink_to("../elsewhere")


def roundabout(folder: Path) -> None:
    """Each link by itself seems to stay inside."""
    (folder / "d").mkdir()
    (folder / "d/up").symlink_to("..")
    (folder / "odd").symlink_to("d/up/../elsewhere")


def nameless(folder: Path) -> None:
    open(os.fsencode(folder) + b"/odd\xff", "w").close()


def mend(folder: Path) -> None:
    for name in os.listdir(os.fsencode(folder)):
        if name.startswith(b"odd"):
            os.unlink(os.path.join(os.fsencode(folder), name))
    if (folder / "d").exists():
        (folder / "d/up").unlink()
        (folder / "d").rmdir()


@pytest.mark.parametrize("spoil", [pipe, listening, absolute, upwards, roundabout, nameless])
async def test_what_could_not_come_back_is_refused_by_name(app: App, spoil: Callable[[Path], None]) -> None:
    failed, run_id = await fails(app, spoil, mend)
    assert failed.type_name == f"{NotStorable.__module__}.NotStorable"
    assert run_id in failed.message and "odd" in failed.message


async def test_links_that_stay_inside_are_kept_as_links(app: App) -> None:
    def link(folder: Path) -> None:
        write(folder / "a/file", "text")
        (folder / "a/absolute").symlink_to(folder / "a/file")
        (folder / "a/up").symlink_to("../a/file")
        (folder / "loop").symlink_to("loop")

    @app.agent
    async def job(ctx: Context) -> dict[str, str]:
        await ctx.step(link, ctx.workspace)
        await asyncio.sleep(86400)
        return await ctx.step(inside, ctx.workspace)

    async with app.test(always_suspend=True) as t:
        found = await (await t.start(job())).result()
    assert found["a/absolute"] == "-> file" and found["a/up"] == "-> ../a/file" and found["loop"] == "-> loop"


async def test_a_failure_stays_what_it_is_if_the_workspace_is_spoiled_too(app: App) -> None:
    def spoil(folder: Path) -> None:
        if not (folder / "odd").exists():
            pipe(folder)
        raise ConnectionError("no answer")

    failed, _ = await fails(app, spoil, mend)
    assert (failed.type_name, failed.message) == ("ConnectionError", "no answer")


async def test_what_happened_once_is_not_told_as_failed(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """A body that hears that an ``at_most_once`` effect failed might do it again."""

    def pay_and_spoil(folder: Path) -> str:
        pipe(folder)
        return "paid"

    @app.agent
    async def job(ctx: Context) -> str:
        return await ctx.step(pay_and_spoil, ctx.workspace).using(effect="at_most_once")

    async with app.test(always_suspend=True) as t:
        assert await (await t.start(job())).result() == "paid"
    assert "without what has changed in the workspace" in caplog.text and "odd" in caplog.text


async def test_a_folder_that_was_removed_is_no_workspace_without_files(app: App) -> None:
    """A cleaner of temporary files, say: nothing is recorded as gone, and once it is restored the run goes on."""
    removals: list[Path] = []

    def lose(folder: Path) -> None:
        if not removals:
            shutil.rmtree(folder)
        removals.append(folder)

    @app.agent
    async def job(ctx: Context) -> dict[str, str]:
        await ctx.step(write, ctx.workspace / "kept", "kept")
        await ctx.step(lose, ctx.workspace)
        return await ctx.step(inside, ctx.workspace)

    async with app.test() as t:
        run = await t.start(job())
        await t.quiet()
        assert await run.status() == "blocked" and "is gone" in await t.why_waiting(await run.info())
        assert set(await contents(t, run.id)) == {"kept"}
        await t.resume(run.id)
        assert await run.result() == {"kept": "kept 644"}


async def test_ten_thousand_files_do_not_hold_up_other_runs(app: App) -> None:
    slowest = 0.0

    def many(folder: Path) -> None:
        for number in range(9_999):
            os.close(os.open(folder / str(number), os.O_CREAT | os.O_WRONLY))

    @app.agent
    async def job(ctx: Context) -> None:
        await ctx.step(many, ctx.workspace)
        await ctx.step(append, ctx.workspace / "0", "more")

    async def ticking() -> None:
        nonlocal slowest
        while True:
            before = time.thread_time()  # what this thread did, however busy the machine is
            await asyncio.sleep(0.001)
            slowest = max(slowest, time.thread_time() - before)

    async with app.test(always_suspend=True) as t:
        run = await t.start(job())
        ticker = asyncio.create_task(ticking())
        await run.result()
        ticker.cancel()
    # all of it on the loop would take seconds
    assert slowest < 1, f"the loop was busy for {slowest:.3f} s without looking up"
