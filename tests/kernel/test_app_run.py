"""``app.run``: one line for scripts; running the script again resumes what is unfinished, and says so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast import App, BadOption, Client, Context, KeyConflict, RunFailed, Runtime, UsageError
from holdfast.store.base import RunFilter
from tests.kernel.making import World


@pytest.fixture
def script(app: App, world: World) -> Any:
    @app.agent
    async def settle(ctx: Context, names: list[str]) -> list[str]:
        return [await ctx.step(world.do, name) for name in names]

    return settle


def test_it_returns_the_result(app: App, world: World, script: Any, url: str) -> None:
    assert app.run(script(["a", "b"]), store=url) == ["a", "b"]


def test_by_default_its_store_is_beside_the_script(app: App, script: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)
    app.run(script(["a"]))
    assert (tmp_path / ".holdfast" / "kernel.db").exists()
    monkeypatch.setenv("HOLDFAST_STORE", f"sqlite:///{tmp_path}/other.db")
    app.run(script(["a"]))
    assert (tmp_path / "other.db").exists()


def unfinished(app: App, script: Any, url: str) -> str:
    """A run of the script that is recorded and has not ended."""

    async def start() -> str:
        async with app.connect(url) as client:
            return (await client.start(script(["a", "b"]))).id

    return asyncio.run(start())


def test_run_again_it_resumes_the_unfinished_run_of_the_same_call_and_says_so(
    app: App, world: World, script: Any, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = unfinished(app, script, url)
    assert app.run(script(["a", "b"]), store=url) == ["a", "b"]
    assert f"holdfast: resuming run {run_id}" in capsys.readouterr().err
    assert world.done == ["a", "b"]


def test_it_is_found_however_fast_the_worker_goes_on_with_it(
    app: App, world: World, script: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, find = unfinished(app, script, url), Client.find

    async def after_the_worker(self: Client, which: RunFilter) -> Any:
        if isinstance(self, Runtime):
            await (await self.get(run_id)).result()
        return await find(self, which)

    monkeypatch.setattr(Client, "find", after_the_worker)
    assert app.run(script(["a", "b"]), store=url) == ["a", "b"]
    assert world.done == ["a", "b"], "once, and not by another run again"


def test_what_was_recorded_before_is_not_done_again(
    app: App, world: World, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = [True]

    @app.agent
    async def settle(ctx: Context) -> list[str]:
        got = [await ctx.step(world.do, name) for name in ("a", "b")]
        if stop[0]:
            raise KeyboardInterrupt  # Ctrl-C lands in the script, wherever it is
        return got

    async def killed() -> str:
        async with app.test(store=url, check_replay=False) as t:
            t.crash_at("ending")
            run = await t.start(settle())
            while t._restarting is None:  # noqa: ASYNC110  # the crash is the signal
                await asyncio.sleep(0)
            stop[0] = False
            await t._restarting
            t.worker.die()
            return run.id

    run_id = asyncio.run(killed())
    world.done.append("killed")
    assert app.run(settle(), store=url) == ["a", "b"]
    assert f"resuming run {run_id} (2 entries recorded)" in capsys.readouterr().err
    assert world.done == ["a", "b", "killed"]


def test_fresh_starts_anew(app: App, world: World, script: Any, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = unfinished(app, script, url)
    assert app.run(script(["a", "b"]), store=url, fresh=True) == ["a", "b"]
    said = capsys.readouterr().err
    assert "started run" in said and run_id not in said


def test_another_call_is_another_run(app: App, world: World, script: Any, url: str, capsys: Any) -> None:
    run_id = unfinished(app, script, url)
    assert app.run(script(["other"]), store=url) == ["other"]
    assert run_id not in capsys.readouterr().err


def test_what_has_ended_is_run_again_unless_it_has_a_key(app: App, world: World, script: Any, url: str) -> None:
    for _ in range(2):
        assert app.run(script(["a"]), store=url) == ["a"]
    assert world.done.count("a") == 2
    for _ in range(2):
        assert app.run(script(["b"]), store=url, key="once") == ["b"]
    assert world.done.count("b") == 1
    with pytest.raises(KeyConflict):
        app.run(script(["c"]), store=url, key="once")


def test_a_failed_run_raises(app: App, url: str) -> None:
    @app.agent
    async def fail(ctx: Context) -> None:
        raise ValueError("no")

    with pytest.raises(RunFailed, match="ValueError: no"):
        app.run(fail(), store=url)


async def test_inside_a_loop_it_says_what_to_write_instead(app: App, script: Any, url: str) -> None:
    with pytest.raises(UsageError, match=r"async with app\.open\(\) as runtime"):
        app.run(script([]), store=url)


def test_what_is_no_call_is_refused(app: App, script: Any, url: str) -> None:
    for what in (script, "settle", app.tool(world_pay)("x")):
        with pytest.raises(BadOption, match="write a call of an agent"):
            app.run(what, store=url)


async def world_pay(what: str) -> str:
    return what
