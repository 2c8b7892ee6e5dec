"""One span per attempt of a step or tool; spans of the user's nest under it; no value and no message is in any."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import opentelemetry.semconv._incubating.attributes.gen_ai_attributes as conventions
import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from holdfast import App, Context, RunFailed, StepFailed
from holdfast.durable.points import on_reach
from holdfast.telemetry import genai
from tests.telemetry.spans import Spans, attribute, ids, parent

SECRET = "hunter2-s3cr3t"


async def test_the_users_spans_nest_under_the_attempt_in_tasks_and_threads_too(app: App, spans: Spans) -> None:
    def own(name: str) -> None:
        with trace.get_tracer("user").start_as_current_span(name):
            pass

    async def awaited() -> None:
        await asyncio.gather(asyncio.to_thread(own, "in a thread of its own"), asyncio.create_task(task()))
        own("in a coroutine")

    async def task() -> None:
        own("in a task")

    def threaded() -> None:
        own("in a plain function")

    @app.tool
    async def pay(amount: int) -> None:
        own("in a tool")

    @app.agent
    async def body(ctx: Context) -> None:
        await asyncio.gather(ctx.step(awaited), ctx.step(threaded), pay(1))
        await ctx.map(item, ["a"], key=str)
        await ctx.map(plain, ["a", "b"], key=str, checkpoint_every=2)

    async def item(what: str) -> None:
        own("in an item")

    def plain(what: str) -> None:
        own(f"in a chunk: {what}")

    async with app.test() as t:
        await (await t.start(body())).result()
    by_id = {ids(span): span for span in spans.all}
    within = {span.name: by_id[parent(span)].name for span in spans.all if span.name.startswith("in a")}
    prefix = "test_the_users_spans_nest_under_the_attempt_in_tasks_and_threads_too."
    assert within == {
        "in a thread of its own": f"step {prefix}awaited",
        "in a task": f"step {prefix}awaited",
        "in a coroutine": f"step {prefix}awaited",
        "in a plain function": f"step {prefix}threaded",
        "in a tool": "execute_tool pay",
        "in an item": f"step {prefix}item",
        "in a chunk: a": f"step {prefix}plain",
        "in a chunk: b": f"step {prefix}plain",
    }
    activation = ids(spans.named("invoke_agent body")[0])
    assert {parent(span) for span in spans.all if span.name.startswith(("step", "execute"))} >= {activation}


async def test_what_follows_an_attempt_is_no_longer_in_its_span(app: App, spans: Spans) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(str, "a").using(key="k")

    current: dict[str, bool] = {}
    async with app.test() as t:
        on_reach(lambda point, run: current.update({point: trace.get_current_span().get_span_context().is_valid}))
        await (await t.start(body())).result()
    assert current["effect-ended"] is current["committing"] is False


async def test_each_attempt_is_a_span_with_the_type_of_its_error(app: App, spans: Spans) -> None:
    tries: list[int] = []

    @app.tool(retries=2)
    async def flaky(key: str) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("not yet")
        return "ok"

    @app.agent
    async def body(ctx: Context) -> str:
        return await flaky("k")

    async with app.test() as t:
        run = await t.start(body())
        await run.result()
    attempts = spans.named("execute_tool flaky")
    assert [attribute(span, "holdfast.step.attempt") for span in attempts] == [1, 2, 3]
    assert [attribute(span, "holdfast.step.outcome") for span in attempts] == ["failed", "failed", "succeeded"]
    assert [attribute(span, "error.type") for span in attempts] == ["ConnectionError", "ConnectionError", None]
    assert [span.status.status_code for span in attempts] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert {attribute(span, "gen_ai.tool.call.id") for span in attempts} == {f"{run.id}/flaky#1"}
    assert {attribute(span, "gen_ai.operation.name") for span in attempts} == {"execute_tool"}


async def test_timed_out_and_abandoned_attempts_say_so(app: App, spans: Spans) -> None:
    begun = [asyncio.Event(), asyncio.Event()]

    async def slow(n: int) -> None:
        begun[n].set()
        await asyncio.Event().wait()

    @app.agent
    async def body(ctx: Context) -> None:
        with suppress(StepFailed):
            await ctx.step(slow, 0).using(timeout="10ms")
        abandoned = asyncio.create_task(aux(ctx))
        await ctx.step(quick)
        abandoned.cancel()

    async def aux(ctx: Context) -> None:
        await ctx.step(slow, 1).using(key="abandoned")

    async def quick() -> None:
        await begun[-1].wait()

    async with app.test() as t:
        await (await t.start(body())).result()
    outcomes = [attribute(span, "holdfast.step.outcome") for span in spans.all if span.name.startswith("step")]
    assert outcomes == ["timed_out", "succeeded", "cancelled"]


async def test_no_argument_result_or_message_is_told(app: App, spans: Spans) -> None:
    async def leak(password: str) -> str:
        raise PermissionError(f"bad password {password}")

    @app.tool
    async def login(password: str) -> str:
        return password

    @app.agent
    async def body(ctx: Context, password: str) -> str:
        await login(password)
        with suppress(StepFailed):
            await ctx.step(leak, password)
        await ctx.step(leak, password)
        return password

    async with app.test() as t:
        with pytest.raises(RunFailed):
            await (await t.start(body(SECRET))).result()
    assert len(spans.all) >= 4
    for span in spans.all:
        assert SECRET not in span.to_json()
        assert not span.events, "an exception event holds the message"


def test_the_names_are_those_of_the_conventions() -> None:
    known = {value for name, value in vars(conventions).items() if name.startswith("GEN_AI_")}
    told = [genai.invoke_agent("a", "1", "run"), genai.execute_tool("t", "a", "call")]
    assert {name for named in told for name in named.attributes} <= known
    operations = {value.value for value in conventions.GenAiOperationNameValues}
    assert {named.attributes["gen_ai.operation.name"] for named in told} <= operations
