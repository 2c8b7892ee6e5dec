"""``holdfast.testing.replay``: what counts as doing again what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast import App, Context, UnknownAgent
from holdfast.durable.recording import read_recording, write_recording
from holdfast.testing import Diverged, replay

Body = Callable[..., Any]


async def first(text: str) -> str:
    return text


async def second(text: str) -> str:
    return text


async def charge(desk: Any, text: str) -> str:
    return text


@asynccontextmanager
async def lifespan() -> AsyncIterator[dict[str, int]]:
    yield {"rate": 2}


def app_of(body: Body, version: str = "1") -> App[Any]:
    app = App("job", lifespan=lifespan)
    app.agent(name="job", version=version)(body)
    return app


def recorded(body: Body, path: Path, *, ends: bool = True) -> Path:
    """The journal of a run of the body."""

    async def record() -> None:
        app = app_of(body)
        async with app.test(always_suspend=True) as t:
            run = await t.start(app.catalog.agent("job")())
            await (asyncio.gather(run.result(), return_exceptions=True) if ends else t.quiet())
            await write_recording(t, run.id, path, app=app.name)

    asyncio.run(record())
    return path


async def two_steps(ctx: Context) -> str:
    one = await ctx.step(first, "a")
    await ctx.step(second, "b")
    return one


async def other_arguments(ctx: Context) -> str:
    one = await ctx.step(first, "a")
    await ctx.step(second, "B")
    return one


async def one_less(ctx: Context) -> str:
    return await ctx.step(first, "a")


async def one_more(ctx: Context) -> str:
    await ctx.step(charge, None, "c")
    return await two_steps(ctx)


async def another_result(ctx: Context) -> str:
    return await two_steps(ctx) + "!"


async def goes_on(ctx: Context) -> str:
    await two_steps(ctx)
    await ctx.promise("never", str)
    return "never"


async def fails(ctx: Context) -> str:
    await two_steps(ctx)
    raise ValueError("no")


CHANGES = [
    (other_arguments, r"at entry 2: second#1 was recorded with other arguments\nrecorded: outcome 2 of step second#1"),
    (one_less, "at entry 2: second#1 is recorded, and the code comes to its end without that call"),
    (one_more, "replayed it still waits, and asks for charge#1"),
    (another_result, 'its result is another one .*\nrecorded: "a"\nasked: "a!"'),
    (goes_on, "replayed it still waits, and asks for never"),
    (fails, r"replayed it ends as failed \(ValueError: no\)"),
]


@pytest.mark.parametrize(("body", "said"), CHANGES, ids=[body.__name__ for body, _ in CHANGES])
def test_a_run_that_has_ended_comes_to_the_same_end_by_the_same_calls(tmp_path: Path, body: Body, said: str) -> None:
    path = recorded(two_steps, tmp_path / "run.jsonl")
    replay(app_of(two_steps), path)
    with pytest.raises(Diverged, match=said) as found:
        replay(app_of(body), path)
    assert str(path) in str(found.value)


@pytest.mark.parametrize("body", [one_more, goes_on, fails, another_result])
def test_a_run_that_has_not_may_ask_for_anything_new(tmp_path: Path, body: Body) -> None:
    replay(app_of(body), recorded(goes_on, tmp_path / "run.jsonl", ends=False))


@pytest.mark.parametrize("body", [other_arguments, one_less])
def test_but_must_fit_what_is_recorded(tmp_path: Path, body: Body) -> None:
    path = recorded(goes_on, tmp_path / "run.jsonl", ends=False)
    with pytest.raises(Diverged, match="second#1"):
        replay(app_of(body), path)


def test_a_recording_can_be_read_once_and_replayed_twice(tmp_path: Path) -> None:
    recording = read_recording(recorded(two_steps, tmp_path / "run.jsonl"))
    for _ in range(2):
        replay(app_of(two_steps), recording)


def test_it_works_where_a_loop_runs(tmp_path: Path) -> None:
    path = recorded(two_steps, tmp_path / "run.jsonl")

    async def inside() -> None:
        replay(app_of(two_steps), path)

    asyncio.run(inside())


async def uses_deps(ctx: Context[dict[str, int]]) -> str:
    return await ctx.step(first, str(ctx.deps["rate"]))


async def passes_deps(ctx: Context[Any]) -> str:
    return await ctx.step(charge, ctx.deps, "x").using(effect="at_most_once")


def test_deps_are_there_only_on_demand(tmp_path: Path) -> None:
    path = recorded(uses_deps, tmp_path / "run.jsonl")
    replay(app_of(uses_deps), path, lifespan=True)
    with pytest.raises(Diverged, match=r"the body uses ctx.deps, which is not at hand.*lifespan=True"):
        replay(app_of(uses_deps), path)


def test_deps_that_are_only_handed_to_steps_need_not_be_there(tmp_path: Path) -> None:
    replay(app_of(passes_deps), recorded(passes_deps, tmp_path / "run.jsonl"))


def test_a_version_that_is_gone_is_named(tmp_path: Path) -> None:
    path = recorded(two_steps, tmp_path / "run.jsonl")
    with pytest.raises(UnknownAgent, match=r"of app 'job' .*agent 'job' version '1' is not defined here"):
        replay(app_of(two_steps, version="2"), path)


async def tidies(ctx: Context) -> None:
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        await ctx.step(first, "tidied")
        raise


@pytest.mark.parametrize("claimed", [True, False])
def test_a_cancelled_run_replays_up_to_its_cancel(tmp_path: Path, claimed: bool) -> None:
    path = tmp_path / "run.jsonl"

    async def record() -> None:
        app = app_of(tidies)
        async with app.test() as t:
            run = await t.start(app.catalog.agent("job")())
            if claimed:
                await t.quiet()
            await run.cancel(reason="enough")
            await t.quiet()
            await write_recording(t, run.id, path)

    asyncio.run(record())
    assert str(read_recording(path).run.status) == "cancelled"
    replay(app_of(tidies), path)
