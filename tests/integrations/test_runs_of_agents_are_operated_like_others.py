"""What people do to runs they do to those of agents as well: look at them, retry, fork, export and replay them."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic_ai import Agent, RequestUsage
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings

from holdfast import App, Context, RunFailed, Usage
from holdfast.cli import main
from holdfast.cli.views import usage_text
from holdfast.durable.recording import write_recording
from holdfast.integrations.pydantic_ai import Durable
from holdfast.records.journal import Op
from holdfast.records.usage import total
from holdfast.testing import replay
from tests.integrations.talk import body_of, calls, returned, says


class Desk:
    """An agent that looks a claim up and decides; its model can be down, and it counts what is asked of it."""

    def __init__(self, app: App[None]) -> None:
        self.asked: list[int] = []
        self.looked: list[str] = []
        self.down = False
        self.agent = Agent(FunctionModel(self.answer), name="desk", capabilities=[Durable()])
        self.agent.tool_plain(name="look")(self.look)
        self.body = body_of(app, self.agent)

    def answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.asked.append(len(messages))
        if self.down and returned(messages):
            raise ConnectionError("no network")
        answer = says(f"{returned(messages)}") if returned(messages) else calls(("look", {"claim": "c"}))
        answer.usage = RequestUsage(input_tokens=100, output_tokens=10)
        return answer

    def look(self, claim: str) -> str:
        self.looked.append(claim)
        return f"{claim} is open"


def test_usage_is_shown_with_the_run(app: App[None], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk, url = Desk(app), f"sqlite:///{tmp_path}/talk.db"

    async def live() -> tuple[str, Usage]:
        async with app.test(store=url) as t:
            run = await t.start(desk.body("go"))
            await run.result()
            return run.id, await t.usage(run.id)

    run_id, used = asyncio.run(live())
    assert used == Usage(requests=2, input_tokens=200, output_tokens=20, cost=None, unpriced=2)
    shown = json.loads(said(capsys, "runs", "show", run_id, "--store", url, "--json"))
    assert shown["usage"] == {
        "requests": 2, "input_tokens": 200, "output_tokens": 20, "cost": None, "unpriced": 2, "unmeasured_requests": 0
    }  # fmt: skip
    text = said(capsys, "runs", "show", run_id, "--store", url)
    assert "2 requests of models, 200 tokens in, 20 out, no known price" in text


def said(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What the command says, which ends well."""
    with pytest.raises(SystemExit) as end:
        main(command)
    assert end.value.code == 0
    return capsys.readouterr().out


async def test_the_price_is_the_library_s(app: App[None]) -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        used = RequestUsage(input_tokens=1_000_000, output_tokens=1_000_000)
        return ModelResponse(parts=[TextPart("hi")], model_name="gpt-4o", provider_name="openai", usage=used)

    body = body_of(app, Agent(FunctionModel(answer, model_name="gpt-4o"), name="desk", capabilities=[Durable()]))
    async with app.test() as t:
        run = await t.start(body("go"))
        await run.result()
        used = await t.usage(run.id)
    assert (used.cost, used.unpriced) == ("12.50", 0)  # 2.50 and 10.00 USD per million tokens
    assert used.requests == 1


def test_prices_add_up() -> None:
    priced = {"requests": 1, "input_tokens": 5, "output_tokens": 2, "cost": "0.015"}
    used = total([priced, priced, priced | {"cost": None}, None, "rubbish"])
    assert (used.requests, used.input_tokens, used.cost, used.unpriced) == (3, 15, "0.030", 1)


async def test_a_failed_request_is_asked_again_and_nothing_else(app: App[None]) -> None:
    desk = Desk(app)
    desk.down = True
    async with app.test() as t:
        run = await t.start(desk.body("go"))
        with pytest.raises(RunFailed, match="no network"):
            await run.result()
        desk.down = False
        await t.retry(run.id)
        assert (await run.result())["output"] == "['c is open']"
    assert desk.asked == [1, 3, 3]
    assert desk.looked == ["c"]


async def test_a_fork_goes_on_from_another_answer(app: App[None]) -> None:
    desk = Desk(app)
    async with app.test() as t:
        run = await t.start(desk.body("go"))
        await run.result()
        entries = {entry.key: entry async for entry in t.journal(run.id)}
        fork = await t.fork(
            run.id, at=entries["desk.look#1.c0"].seq, outcome={"kind": "tool_return", "result": "c is closed"}
        )
        assert (await (await t.get(fork.id)).result())["output"] == "['c is closed']"
    assert desk.looked == ["c"]
    assert desk.asked == [1, 3, 3]


async def test_an_exported_run_is_replayed_against_the_code(app: App[None], tmp_path: Path) -> None:
    desk = Desk(app)
    async with app.test() as t:
        run = await t.start(desk.body("go"))
        await run.result()
        await write_recording(t, run.id, tmp_path / "run.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [line["op"] for line in lines if line["type"] == "entry"] == ["model", "step", "model"]
    replay(app, tmp_path / "run.jsonl")
    assert desk.asked == [1, 3]


async def test_what_is_replayed_is_not_traced_again(app: App[None]) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traced: Instrumentation[None] = Instrumentation(InstrumentationSettings(tracer_provider=provider))

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return says("done") if returned(messages) else calls(("look", {}))

    agent = Agent(FunctionModel(answer), name="desk", capabilities=[traced, Durable()])
    agent.tool_plain(name="look")(lambda: "it")
    body = body_of(app, agent)
    async with app.test() as t:
        t.crash_at("committed", nth=2)
        run = await t.start(body("go"))
        await run.result()
        assert t.crashes == 1
    names = sorted(span.name for span in exporter.get_finished_spans())
    assert names.count("chat function:answer:") == 2
    assert sum("look" in name for name in names) == 1


async def test_a_run_that_asks_no_model_has_no_usage(app: App[None], caplog: pytest.LogCaptureFixture) -> None:
    @app.agent
    async def body(ctx: Context) -> int:
        return 1

    with caplog.at_level(logging.WARNING):
        async with app.test() as t:
            run = await t.start(body())
            await run.result()
            assert (await t.usage(run.id)).requests == 0
            assert [entry.op async for entry in t.journal(run.id) if entry.op is Op.MODEL] == []


@pytest.mark.parametrize(
    ("counted", "unmeasured"),
    [
        (RequestUsage(unmeasured_requests=1), 1),
        (RequestUsage(input_tokens=10, cache_read_tokens=20), 0),
    ],
    ids=["nothing said", "counts that contradict each other"],
)
async def test_a_price_that_nobody_can_tell_does_not_cost_the_answer(
    app: App[None], counted: RequestUsage, unmeasured: int
) -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse([TextPart("hello")], usage=counted, model_name="gpt-4o", provider_name="openai")

    body = body_of(app, Agent(FunctionModel(answer), name="a", capabilities=[Durable()]))
    async with app.test() as t:
        run = await t.start(body("go"))
        assert (await run.result())["output"] == "hello"
        used = await t.usage(run.id)
    assert (used.requests, used.cost, used.unpriced, used.unmeasured_requests) == (1, None, 1, unmeasured)
    assert ("did not say what they used" in usage_text(used)) is bool(unmeasured)
