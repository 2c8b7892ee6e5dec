"""Tokens reach whoever watches a run as they come; the final message is what is recorded, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import AgentStreamEvent, ModelMessage, PartDeltaEvent, TextPartDelta
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.tools import RunContext

from holdfast import App, Context, NotInRun, RunEvent, teller
from holdfast.durable import events
from holdfast.integrations.pydantic_ai import Durable, StepOptions
from tests.crash.processes import Nursery, asked_to_stop
from tests.integrations.talk import body_of

WORDS = ["It ", "rains ", "in ", "Porto."]


def slow_talker(go_on: asyncio.Event | None = None) -> FunctionModel:
    """A model that says its words one by one; before the last it waits."""

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        for word in WORDS[:-1]:
            yield word
        if go_on is not None:
            await go_on.wait()
        yield WORDS[-1]

    return FunctionModel(stream_function=stream)


def text_of(event: RunEvent) -> str:
    """What a model event adds to the text."""
    part = event.data.get("delta") if event.kind == "part_delta" else event.data.get("part")
    return (
        (part.get("content_delta") or part.get("content") or "") if event.kind in ("part_start", "part_delta") else ""
    )


async def test_they_come_before_the_message_is_recorded(app: App[None]) -> None:
    go_on = asyncio.Event()
    agent = Agent(slow_talker(go_on), name="a", capabilities=[Durable(stream=True)])
    body = body_of(app, agent)
    async with app.test() as t, asyncio.timeout(60):
        run = await t.start(body("go"))
        text = ""
        async for event in run.events():
            text += text_of(event)
            if text == "It rains in " and not go_on.is_set():
                assert await run.recorded() == []
                go_on.set()
        assert text == "It rains in Porto."
        assert (await run.result())["output"] == "It rains in Porto."
        assert await run.recorded() == ["a:model#1.1"]


async def test_an_attempt_that_is_repeated_says_so(app: App[None]) -> None:
    failed: list[str] = []

    async def fail_once(ctx: RunContext[None], events: AsyncIterator[AgentStreamEvent]) -> None:
        async for _ in events:
            if not failed:
                failed.append("")
                raise ConnectionError

    twice: StepOptions = {"retries": 1, "retry_on": [ConnectionError]}
    durable = Durable[None](stream=True, event_stream_handler=fail_once, model_steps=twice)
    agent = Agent(slow_talker(), name="a", capabilities=[durable])
    body = body_of(app, agent)
    async with app.test() as t, asyncio.timeout(60):
        run = await t.start(body("go"))
        seen: list[RunEvent] = []

        async def watch() -> None:
            seen.extend([event async for event in run.events()])

        watching = asyncio.create_task(watch())
        assert (await run.result())["output"] == "It rains in Porto."
        await watching
    assert {event.attempt for event in seen} == {1, 2}
    assert "".join(text_of(event) for event in seen if event.attempt == 2) == "It rains in Porto."
    assert {(event.run, event.step) for event in seen} == {(run.id, "a:model#1.1")}
    assert [event.number for event in seen if event.attempt == 2] == list(range(1, 1 + len(seen) - len(failed)))


async def test_the_agent_s_own_handler_sees_them_too(app: App[None]) -> None:
    heard: list[str] = []

    async def listen(ctx: RunContext[None], events: AsyncIterator[AgentStreamEvent]) -> None:
        async for event in events:
            if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                heard.append(event.delta.content_delta)

    agent = Agent(slow_talker(), name="a", capabilities=[Durable(event_stream_handler=listen)])
    body = body_of(app, agent)
    async with app.test() as t:
        assert (await (await t.start(body("go"))).result())["output"] == "It rains in Porto."
    assert heard == WORDS[1:]


async def test_a_stream_in_the_body_is_that_of_the_recorded_message(app: App[None]) -> None:
    agent = Agent(slow_talker(), name="a", capabilities=[Durable()])

    @app.agent
    async def body(ctx: Context) -> list[str]:
        async with agent.run_stream("go") as stream:
            return [text async for text in stream.stream_text(delta=True, debounce_by=None)]

    async with app.test() as t:
        t.crash_at("committed")
        run = await t.start(body())
        assert await run.result() == ["It rains in Porto."]
        assert await run.recorded() == ["a:model#1.1"]


def test_they_reach_another_process(tmp_path: Path, nursery: Nursery) -> None:
    url = f"sqlite:///{tmp_path}/talk.db"
    app: App[None] = App("talk")
    agent = Agent(slow_talker(), name="a", capabilities=[Durable(stream=True)])

    @app.agent
    async def body(ctx: Context) -> str:
        await ctx.promise("listening", bool)
        return (await agent.run("go")).output

    async def work() -> None:
        async with app.open(url):
            await asked_to_stop()

    async def listen() -> str:
        async with app.connect(url) as client, asyncio.timeout(60):
            run = await client.start(body())
            events = run.events()
            await client.resolve(f"{run.id}/listening", True)
            return "".join([text_of(event) async for event in events])

    worker = nursery.fork(work, "the worker")
    assert asyncio.run(listen()) == "It rains in Porto."
    worker.stop_nicely()


async def test_any_step_may_tell(app: App[None]) -> None:
    async def load() -> int:
        said = teller()
        said.tell("progress", {"percent": 50})
        said.tell("too much", "x" * 100_000)
        return 1

    @app.agent
    async def body(ctx: Context) -> int:
        return await ctx.step(load)

    async with app.test() as t, asyncio.timeout(60):
        run = await t.start(body())
        seen = [event async for event in run.events()]
    assert [(event.number, event.kind, event.data) for event in seen] == [
        (1, "progress", {"percent": 50}), (2, "too much", None)
    ]  # fmt: skip
    with pytest.raises(NotInRun, match="outside a step"):
        teller()


async def test_what_cannot_be_told_costs_nothing(app: App[None], caplog: pytest.LogCaptureFixture) -> None:
    """An event is told without its data then, and the step goes on."""

    def odd() -> object:
        raise ValueError("no such data")

    async def load() -> int:
        said = teller()
        said.tell("opaque", object())
        said.tell("odd", odd)
        said.tell("made", lambda: {"percent": 50})
        return 1

    @app.agent
    async def body(ctx: Context) -> int:
        return await ctx.step(load)

    async with app.test() as t, asyncio.timeout(60):
        run = await t.start(body())
        seen = [(event.kind, event.data) async for event in run.events()]
        assert await run.result() == 1
    assert seen == [("opaque", None), ("odd", None), ("made", {"percent": 50})]
    assert caplog.text.count("is told without its data") == 1


async def test_nothing_is_made_for_nobody(app: App[None]) -> None:
    made: list[str] = []

    async def load() -> int:
        teller().tell("progress", lambda: made.append(""))
        return 1

    @app.agent
    async def body(ctx: Context) -> int:
        return await ctx.step(load)

    async with app.test() as t:
        assert await (await t.start(body())).result() == 1
    assert made == []


async def test_the_end_of_a_run_is_news_to_who_listens_and_nobody_asks_for_it_meanwhile(
    app: App[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_LOOK_AGAIN", 3600.0)

    @app.agent
    async def body(ctx: Context) -> bool:
        return await ctx.promise("on", bool)

    async with app.test(always_suspend=True) as t, asyncio.timeout(60):
        run = await t.start(body())
        listening = asyncio.create_task(_all(run.events()))
        await t.quiet()
        t.store.tell(run.id, RunEvent(run=run.id, step="s", attempt=1, number=1, kind="k").pack)
        await t.resolve(f"{run.id}/on", True)
        assert await run.result()
        assert [event.kind for event in await listening] == ["k"]


async def _all(heard: AsyncIterator[RunEvent]) -> list[RunEvent]:
    return [event async for event in heard]
