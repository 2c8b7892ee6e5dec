"""What steps left in the workspace when their outcome was recorded is there again wherever the run resumes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from holdfast import App, Context, NotInRun, StepFailed
from tests.kernel.workspaces import append, contents, inside, read, removed, rooted, write


def build(folder: Path) -> None:
    write(folder / "report.md", "# Claims", 0o640)
    write(folder / "bin/run.sh", "echo", 0o755)
    write(folder / "empty.txt", "")
    write(folder / "locked/secret.txt", "shh", 0o400)
    (folder / "nothing here").mkdir(mode=0o700)
    (folder / "latest").symlink_to("report.md")
    (folder / "bin/back").symlink_to("../locked")
    (folder / "dangling").symlink_to("not-yet")
    (folder / "locked").chmod(0o500)
    (folder / "ünïcode ☃.txt").write_text("snow")


def tidy(folder: Path) -> None:
    (folder / "report.md").unlink()
    (folder / "latest").unlink()
    (folder / "nothing here").rmdir()
    write(folder / "report.md/now a folder", "yes")
    (folder / "bin/run.sh").chmod(0o600)


async def test_files_folders_links_and_modes_come_back_as_they_were(app: App) -> None:
    seen: list[dict[str, str]] = []

    def look(folder: Path) -> None:
        seen.append(inside(folder))

    @app.agent
    async def job(ctx: Context) -> None:
        for change in (build, tidy):
            await ctx.step(change, ctx.workspace)
            await ctx.step(look, ctx.workspace)
            await asyncio.sleep(86400)
            await ctx.step(look, ctx.workspace).using(key=f"after {change.__name__}")

    async with app.test(always_suspend=True) as t:
        run = await t.start(job())
        await run.result()
        await removed(t)
    assert seen[0] == seen[1] and seen[2] == seen[3] != seen[0]
    assert seen[0]["bin/back"] == "-> ../locked" and seen[0]["locked/secret.txt"] == "shh 400"
    assert seen[2]["report.md"].startswith("folder") and seen[2]["bin/run.sh"] == "echo 600"


@pytest.mark.parametrize("point", ["effect-begins", "effect-ended", "committing", "committed"])
async def test_after_a_crash_they_are_as_of_the_last_recorded_outcome(app: App, point: str) -> None:
    """A step that is repeated finds what it found the first time, so each line is there once."""

    @app.agent
    async def job(ctx: Context) -> str:
        log = ctx.workspace / "log.txt"
        for number in range(4):
            await ctx.step(append, log, f"line {number}")
        return await ctx.step(read, log)

    for nth in range(1, 6):
        async with app.test() as t:
            t.crash_at(point, nth=nth)
            run = await t.start(job())
            assert await run.result() == "line 0\nline 1\nline 2\nline 3\n"
            assert t.crashes == 1


async def test_a_directory_left_by_a_crash_is_made_what_is_recorded(app: App, tmp_path: Path) -> None:
    @app.agent
    async def job(ctx: Context) -> dict[str, str]:
        await ctx.step(write, ctx.workspace / "a/kept.txt", "kept")
        await ctx.step(write, ctx.workspace / "b.txt", "bb")
        await ctx.promise("go", bool)
        return await ctx.step(inside, ctx.workspace)

    async with app.test(always_suspend=True, settings=rooted(tmp_path)) as t:
        run = await t.start(job())
        await t.quiet()
        await removed(t)
        outside = tmp_path.parent / "outside"
        outside.mkdir(exist_ok=True)
        write(outside / "untouched.txt", "mine")
        left = tmp_path / run.id
        write(left / "b.txt", "BB")  # another content of the same size
        write(left / "extra/deep/file.txt", "not recorded")
        (left / "a").symlink_to(outside)
        os.mkfifo(left / "pipe")
        (left / "extra").chmod(0o500)
        await t.resolve(f"{run.id}/go", True)
        found = await run.result()
    assert {path: text.split()[0] for path, text in found.items()} == {
        "a": "folder",
        "a/kept.txt": "kept",
        "b.txt": "bb",
    }
    assert inside(outside) == {"untouched.txt": "mine 644"}


async def test_a_step_that_failed_leaves_its_log(app: App) -> None:
    tries: list[str] = []

    def crunch(log: Path) -> None:
        tries.append(read(append(log, f"try {len(tries)}")))
        raise ConnectionError("no answer")

    @app.agent
    async def job(ctx: Context) -> str:
        log = ctx.workspace / "log.txt"
        with pytest.raises(StepFailed):
            await ctx.step(crunch, log).using(retries=2, backoff="1h")
        await asyncio.sleep(86400)
        return await ctx.step(read, log)

    async with app.test(always_suspend=True) as t:
        run = await t.start(job())
        await t.advance("10m")
        assert await contents(t, run.id) == {"log.txt": "try 0\n"}, "what an attempt wrote is recorded with the attempt"
        assert await run.result() == "try 0\ntry 1\ntry 2\n" == tries[-1]


async def test_what_the_items_of_a_map_wrote_is_recorded_with_them(app: App) -> None:
    @app.agent
    async def job(ctx: Context) -> list[str]:
        async def branch(number: int) -> Path:
            log = ctx.workspace / f"branch {number}"
            for line in ("begun", "ended"):  # whole: what another branch records may hold the work of a lost attempt
                await ctx.step(write, log, line)
            return log

        def one(number: int) -> Path:
            write(folder / f"step {number}", "done")
            return folder / f"step {number}"

        folder = ctx.workspace
        logs = [*await ctx.map(branch, range(3), key=str), *await ctx.map(one, range(3), key=str, checkpoint_every=2)]
        await asyncio.sleep(86400)
        return [await ctx.step(read, log) for log in logs]

    async with app.test(always_suspend=True) as t:
        for nth in (1, 3, 5, 7, 9):
            t.crash_at("effect-ended", nth=nth)
            run = await t.start(job())
            assert await run.result() == ["ended"] * 3 + ["done"] * 3
        assert len(await contents(t, run.id)) == 6


async def test_steps_at_work_together_are_all_recorded(app: App) -> None:
    @app.agent
    async def job(ctx: Context) -> int:
        await asyncio.gather(*(ctx.step(write, ctx.workspace / f"{number}/x", str(number)) for number in range(40)))
        return len(await ctx.step(inside, ctx.workspace))

    async with app.test() as t:
        run = await t.start(job())
        assert await run.result() == 80
        assert await contents(t, run.id) == {f"{number}/x": str(number) for number in range(40)}


async def test_files_as_of_each_entry_can_be_read(app: App) -> None:
    @app.agent
    async def job(ctx: Context) -> None:
        for number in range(3):
            await ctx.step(append, ctx.workspace / "log", str(number))
        await ctx.step(os.remove, ctx.workspace / "log")

    async with app.test() as t:
        run = await t.start(job())
        await run.result()
        assert [await contents(t, run.id, at=at) for at in range(6)] == [
            {}, {"log": "0\n"}, {"log": "0\n1\n"}, {"log": "0\n1\n2\n"}, {}, {},
        ]  # fmt: skip


async def test_a_run_that_goes_on_as_another_call_keeps_its_files(app: App) -> None:
    @app.agent
    async def job(ctx: Context, number: int) -> str:
        log = await ctx.step(append, ctx.workspace / "log", f"generation {number}")
        if number < 2:
            await ctx.continue_as(job(number + 1))
        return await ctx.step(read, log)

    async with app.test() as t:
        run = await t.start(job(0))
        assert await run.result() == "generation 0\ngeneration 1\ngeneration 2\n"
        assert await contents(t, run.id, at=0) == {"log": "generation 0\ngeneration 1\n"}


async def test_each_run_has_its_own(app: App) -> None:
    @app.agent
    async def child(ctx: Context, name: str) -> list[str]:
        await ctx.step(write, ctx.workspace / name, name)
        return list(await ctx.step(inside, ctx.workspace))

    @app.agent
    async def job(ctx: Context) -> list[list[str]]:
        await ctx.step(write, ctx.workspace / "mine", "mine")
        return [*await asyncio.gather(child("a"), child("b")), list(await ctx.step(inside, ctx.workspace))]

    async with app.test() as t:
        assert await (await t.start(job())).result() == [["a"], ["b"], ["mine"]]


async def test_only_a_body_can_ask_for_it(app: App) -> None:
    contexts: list[Context] = []

    @app.agent
    async def job(ctx: Context) -> None:
        contexts.append(ctx)

    async with app.test() as t:
        await (await t.start(job())).result()
    with pytest.raises(NotInRun, match=r"ctx\.workspace outside a run"):
        contexts[0].workspace  # noqa: B018
