"""A step's timeout ends its attempt; what runs in a thread is not tried again before its thread has ended."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from holdfast import App, Context, OutcomeUnknown, StepFailed, StepTimedOut
from holdfast.records.journal import Kind
from tests.kernel.making import journal, result


async def test_an_async_step_is_cancelled_when_its_time_is_over(app: App) -> None:
    ended: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("cancelled")

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(hang).using(timeout="20ms")
        except StepTimedOut as late:
            return late.message
        return ""

    assert await result(app, body()) == "no answer within 0.02 s"
    assert ended == ["cancelled"]


async def test_a_timeout_is_tried_again_like_any_failure(app: App) -> None:
    attempts: list[int] = []

    async def slow_at_first() -> str:
        attempts.append(1)
        await asyncio.sleep(100 if len(attempts) < 3 else 0)
        return "well"

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(slow_at_first).using(timeout="20ms", retries=20)

    async with app.test() as t:
        run = await t.start(body())
        assert await run.result() == "well"
        late = len(await journal(t, run, Kind.ATTEMPT))
        assert len(attempts) == late + 1 >= 3  # a quick one may be late too, on a busy machine


async def test_a_sync_step_is_tried_again_only_after_its_thread_has_ended(app: App) -> None:
    at_work, most, attempts = 0, 0, 0
    lock = threading.Lock()

    def slow() -> str:
        nonlocal at_work, most, attempts
        with lock:
            at_work, attempts = at_work + 1, attempts + 1
            most, number = max(most, at_work), attempts
        time.sleep(0.2 if number < 3 else 0)
        with lock:
            at_work -= 1
        return f"attempt {number}"

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(slow).using(timeout="50ms", retries=20, backoff="1ms")

    assert await result(app, body()) == f"attempt {attempts}"
    assert most == 1
    assert attempts >= 3  # a quick one may be late too, on a busy machine


async def test_without_retries_a_sync_step_that_is_late_does_not_hold_up_the_run(app: App) -> None:
    release = threading.Event()

    def hang() -> None:
        release.wait(60)

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(hang).using(timeout="20ms")
        except StepTimedOut:
            return "went on"
        return ""

    async with app.test() as t:
        assert await (await t.start(body())).result() == "went on"
        assert not release.is_set()
        release.set()


async def test_a_timeout_error_of_the_function_itself_is_a_failure_like_others(app: App) -> None:
    async def fail() -> None:
        raise TimeoutError("theirs")

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(fail).using(timeout="10s")
        except StepTimedOut:
            return "ours"
        except StepFailed as failed:
            return failed.message
        return ""

    assert await result(app, body()) == "theirs"


@pytest.mark.parametrize("sync", [False, True])
async def test_an_at_most_once_step_that_times_out_has_an_unknown_outcome(app: App, sync: bool) -> None:
    attempts: list[int] = []
    release = threading.Event()

    async def hang() -> None:
        attempts.append(1)
        await asyncio.sleep(100)

    def hang_sync() -> None:
        attempts.append(1)
        release.wait(60)

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(hang_sync if sync else hang).using(timeout="20ms", effect="at_most_once")
        except OutcomeUnknown as unknown:
            return unknown.message
        return ""

    async with app.test() as t:
        said = await (await t.start(body())).result()
        release.set()
    assert "not tried again" in said
    assert attempts == [1]
