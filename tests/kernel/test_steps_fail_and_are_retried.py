"""A step that raises fails its call, live and replayed alike; retries wait without memory and outlive the worker."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from holdfast import App, BadOption, Context, NotInRun, RunFailed, StepFailed, ToolContext, codec, idempotency_key
from holdfast.records.journal import Kind
from tests.kernel.making import World, journal, result


class Declined(Exception):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code = code


class SoftDeclined(Declined):
    pass


class Opaque(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")


HOUR = 3600 * 1_000_000


async def test_the_body_sees_step_failed_with_what_happened_live_and_replayed(app: App) -> None:
    seen: list[StepFailed] = []

    async def fail() -> None:
        raise Declined(51, "no funds")

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(fail)
        except StepFailed as failed:
            seen.append(failed)
        await asyncio.sleep(3600)
        return "went on"

    assert await result(app, body(), always_suspend=True) == "went on"
    assert len(seen) >= 2
    for failed in seen:
        assert failed.type_name.endswith("test_steps_fail_and_are_retried.Declined")
        assert failed.message == "(51, 'no funds')"
        assert "in fail" in failed.traceback_text and "raise Declined" in failed.traceback_text
        assert failed.key.endswith("fail#1")
    assert len({str(failed) for failed in seen}) == 1


@pytest.mark.parametrize("listed", [Declined, SoftDeclined])
async def test_classes_listed_in_raises_come_as_themselves(app: App, listed: type[Exception]) -> None:
    seen: list[Exception] = []

    async def fail() -> None:
        raise SoftDeclined(51, "no funds")

    @app.agent
    async def body(ctx: Context) -> None:
        try:
            await ctx.step(fail).using(raises=[listed])
        except SoftDeclined as error:
            seen.append(error)
        await asyncio.sleep(3600)

    await result(app, body(), always_suspend=True)
    assert len(seen) >= 2
    for error in seen:
        assert type(error) is SoftDeclined and error.args == (51, "no funds") and error.code == 51
        assert isinstance(error.__cause__, StepFailed)


async def test_what_cannot_be_rebuilt_comes_as_step_failed(app: App) -> None:
    async def fail() -> None:
        raise Opaque(1, 2)

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(fail).using(raises=[Opaque])
        except StepFailed as failed:
            return failed.message
        return ""

    assert await result(app, body()) == "1 and 2"


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError("me"),
        StopIteration(5),
        BaseException("base"),
    ],
    ids=repr,
)
async def test_whatever_a_step_raises_only_the_step_fails(app: App, error: BaseException, sync: bool) -> None:
    def fail() -> None:
        raise error

    async def fail_async() -> None:
        raise error

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await ctx.step(fail if sync else fail_async)
        except StepFailed as failed:
            return failed.type_name
        return "no failure"

    expected = "RuntimeError" if isinstance(error, StopIteration) else type(error).__name__
    got = await result(app, body())
    assert got.rpartition(".")[2] == expected


async def test_a_failure_that_the_body_does_not_catch_fails_the_run(app: App) -> None:
    def fail() -> None:
        raise ValueError("no")

    @app.agent
    async def body(ctx: Context) -> None:
        await ctx.step(fail)

    with pytest.raises(RunFailed, match="fail#1: ValueError: no"):
        await result(app, body())


# -- retries


class Flaky:
    """Fails so many times, then works."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.failures, self.error, self.attempts, self.keys = failures, error, 0, set[str]()

    async def call(self) -> str:
        self.attempts += 1
        self.keys.add(idempotency_key())
        if self.attempts <= self.failures:
            raise self.error(f"attempt {self.attempts}")
        return "well"


async def test_attempts_are_journaled_and_the_waits_between_them_double_up_to_an_hour(app: App) -> None:
    flaky = Flaky(4)

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(flaky.call).using(retries=4, backoff="10m")

    async with app.test() as t:
        run = await t.start(body())
        assert await run.result() == "well"
        attempts = await journal(t, run, Kind.ATTEMPT)
        (outcome,) = await journal(t, run, Kind.OUTCOME)
    assert [codec.Failed.unpack(one.value).message for one in attempts] == [f"attempt {n}" for n in (1, 2, 3, 4)]
    times = [one.at for one in attempts] + [outcome.at]
    for n, (earlier, later) in enumerate(pairwise(times)):
        usual = min(2**n * HOUR / 6, HOUR)
        assert 0.5 * usual <= later - earlier < 1.5 * usual, "with jitter"


async def test_a_wait_between_attempts_costs_no_memory_and_outlives_a_crash(app: App) -> None:
    flaky = Flaky(2)

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(flaky.call).using(retries=2, backoff="1h")

    async with app.test(always_suspend=True) as t:
        run = await t.start(body())
        await t.quiet()
        assert (flaky.attempts, await run.status(), t.worker.active) == (1, "waiting", {})
        await t.crash()
        await t.quiet()
        assert flaky.attempts == 1, "its time has not come"
        due = t.clock.next_due()
        assert due is not None and HOUR / 2 <= due - t.clock.now() < 1.5 * HOUR
        await t.advance(timedelta(microseconds=due - t.clock.now()))
        assert (flaky.attempts, await run.status(), t.worker.active) == (2, "waiting", {})
        assert await run.result() == "well"
        assert flaky.attempts == 3, "the crash did not grant further attempts"
        assert len(await journal(t, run, Kind.ATTEMPT)) == 2


async def test_when_the_retries_are_used_up_the_last_error_counts(app: App) -> None:
    flaky = Flaky(10)

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            return await ctx.step(flaky.call).using(retries=2, raises=[ConnectionError])
        except ConnectionError as error:
            return str(error)

    assert await result(app, body()) == "attempt 3"
    assert flaky.attempts == 3


async def test_only_the_errors_named_by_retry_on_are_retried(app: App) -> None:
    flaky = Flaky(1, ValueError)

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            return await ctx.step(flaky.call).using(retries=5, retry_on=[ConnectionError])
        except StepFailed as failed:
            return failed.type_name

    assert await result(app, body()) == "ValueError"
    assert flaky.attempts == 1


async def test_the_longest_wait_is_an_hour_and_a_half(app: App) -> None:
    flaky = Flaky(3)

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(flaky.call).using(retries=3, backoff="10d")

    async with app.test() as t:
        run = await t.start(body())
        await run.result()
        for attempt in await journal(t, run, Kind.ATTEMPT):
            assert json.loads(codec.unpack(attempt.note))["not_before"] - attempt.at <= 1.5 * HOUR


async def test_other_steps_go_on_while_one_waits_to_be_tried_again(app: App, world: World) -> None:
    flaky = Flaky(1)

    @app.agent
    async def body(ctx: Context) -> list[str]:
        async def others() -> None:
            for n in range(3):
                await ctx.step(world.do, str(n))
                await asyncio.sleep(60)

        got, _ = await asyncio.gather(ctx.step(flaky.call).using(retries=1, backoff="1h"), others())
        return [got, *world.done]

    assert await result(app, body(), check_replay=False) == ["well", "0", "1", "2"]


# -- the idempotency key


async def test_the_idempotency_key_is_the_same_at_every_attempt_and_after_a_crash(app: App) -> None:
    flaky = Flaky(3)

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(flaky.call).using(retries=2)

    async with app.test() as t:
        t.crash_at("effect-ended", nth=2)
        assert await (await t.start(body())).result() == "well"
    assert flaky.attempts == 4, "the attempt whose record was lost was made again"
    assert len(flaky.keys) == 1


async def test_no_two_calls_share_an_idempotency_key(app: App) -> None:
    keys: list[str] = []

    def key_of_a_step() -> None:
        keys.append(idempotency_key())

    @app.tool
    async def key_of_a_tool(ctx: ToolContext[None], n: int) -> None:
        assert ctx.idempotency_key == idempotency_key()
        keys.append(ctx.idempotency_key)

    @app.agent
    async def body(ctx: Context) -> None:
        async def branch(n: int) -> None:
            await ctx.step(key_of_a_step)

        await asyncio.gather(ctx.step(key_of_a_step), ctx.step(key_of_a_step), key_of_a_tool(1), key_of_a_tool(1))
        await ctx.map(branch, range(3), key=str)
        await ctx.map(key_of_a_tool, range(3), key=str)

    async with app.test() as t:
        for _ in range(2):
            await (await t.start(body())).result()
    assert len(keys) == len(set(keys)) == 20


def test_there_is_no_idempotency_key_outside_a_step() -> None:
    with pytest.raises(NotInRun, match=r"in the function that ctx\.step runs"):
        idempotency_key()


# -- options


@pytest.mark.parametrize(
    "options",
    [
        {"retries": -1},
        {"retries": True},
        {"timeout": "soon"},
        {"timeout": "0s"},
        {"backoff": "-1s"},
        {"effect": "exactly_once"},
        {"effect": "at_most_once", "retries": 1},
        {"raises": [BaseException]},
        {"retry_on": ["ValueError"]},
    ],
    ids=str,
)
async def test_options_that_make_no_sense_are_refused_at_their_line(
    app: App, world: World, options: dict[str, Any]
) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        call = ctx.step(world.do, "it")
        try:
            await call.using(**options)
        except BadOption as error:
            await call
            return str(error)
        return ""

    said = await result(app, body())
    assert said and world.done == ["it"], "it names the value, and the call is as it was"
