"""Agents of the OpenAI Agents SDK: what is recorded is not asked again, and the rest is the SDK's."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Any

import pytest
from agents import Agent, ModelResponse, RunConfig, Runner, ToolCallOutputItem, Usage, function_tool, handoff
from agents.exceptions import MaxTurnsExceeded, UserError
from agents.mcp import MCPServerStdio
from agents.testing import ScriptedModel, assistant_message, function_call
from agents.tool import LocalShellTool

from holdfast import App, BadOption, Context, NotInRun, OutcomeUnknown, RunFailed, StepFailed, ToolContext
from holdfast.integrations.openai_agents import as_tool, durable
from holdfast.integrations.stepoptions import StepOptions
from holdfast.records.journal import Op

QUIET = RunConfig(tracing_disabled=True)


class Bench:
    """An agent that reads two books at once, and what was done."""

    def __init__(self, *answers: Any) -> None:
        self.read: list[str] = []
        both = [
            function_call("read", {"title": "Emma"}, call_id="c0"),
            function_call("skim", {"title": "X"}, call_id="c1"),
        ]
        self.answers = answers or (both, [assistant_message("both read")])

        @function_tool
        async def read(title: str) -> str:
            self.read.append(title)
            return f"read {title}"

        @function_tool
        def skim(title: str) -> str:
            self.read.append(title)
            return f"skimmed {title}"

        self.model = ScriptedModel(self.answers)
        self.agent = Agent(name="reader", instructions="Read.", model=self.model, tools=[read, skim])


async def test_a_run_records_requests_and_calls(app: App[None]) -> None:
    bench = Bench()

    @app.agent
    async def body(ctx: Context, question: str) -> list[Any]:
        result = await Runner.run(durable(bench.agent), question, run_config=QUIET)
        return [result.final_output, [item.type for item in result.new_items]]

    async with app.test() as t:
        run = await t.start(body("read both"))
        said = await run.result()
        made = ["tool_call_item"] * 2 + ["tool_call_output_item"] * 2 + ["message_output_item"]
        assert said == ["both read", made]
        assert sorted(await run.recorded()) == [
            "reader.read#c0", "reader.skim#c1", "reader:model#1", "reader:model#2"
        ]  # fmt: skip
        assert (await t.usage(run.id)).requests == 2
    assert sorted(bench.read) == ["Emma", "X"]


async def test_whatever_is_recorded_is_not_done_again(app: App[None]) -> None:
    alone = Bench()
    undisturbed = (await Runner.run(alone.agent, "read both", run_config=QUIET)).to_input_list()
    for nth in itertools.count(1):
        bench = Bench()
        local: App[None] = App("talk")

        @local.agent
        async def body(ctx: Context, bench: Bench = bench) -> Any:
            return (await Runner.run(durable(bench.agent), "read both", run_config=QUIET)).to_input_list()

        async with local.test() as t:
            t.crash_at("committed", nth=nth)
            assert await (await t.start(body())).result() == undisturbed
            assert len(bench.model.calls) == 2
            assert len(bench.read) <= 4  # those that were at work and not recorded run again
            if not t.crashes:
                break
    assert nth >= 4


async def test_agents_hand_over_to_each_other(app: App[None]) -> None:
    second = Agent(name="second", model=ScriptedModel([[assistant_message("mine")]]))
    first = Agent(
        name="first", model=ScriptedModel([[function_call("transfer_to_second", "{}", call_id="h")]]),
        handoffs=[handoff(second)],
    )  # fmt: skip
    second.handoffs = [first]

    @app.agent
    async def body(ctx: Context) -> str:
        result = await Runner.run(durable(first), "go", run_config=QUIET)
        return f"{result.last_agent.name}: {result.final_output}"

    async with app.test() as t:
        run = await t.start(body())
        assert await run.result() == "second: mine"
        assert await run.recorded() == ["first:model#1", "second:model#1"]


async def test_streams_are_told_to_watchers_and_recorded_as_the_response(app: App[None]) -> None:
    agent = Agent(name="talker", model=ScriptedModel([[assistant_message("it rains")]]))

    @app.agent
    async def body(ctx: Context) -> str:
        streamed = Runner.run_streamed(durable(agent), "go", run_config=QUIET)
        async for _ in streamed.stream_events():
            pass
        return str(streamed.final_output)

    async with app.test() as t, asyncio.timeout(60):
        run = await t.start(body())
        kinds = [event.kind async for event in run.events()]
        assert await run.result() == "it rains"
        assert await run.recorded() == ["talker:model#1"]
    assert "response.output_text.delta" in kinds


async def test_a_tool_of_holdfast_keeps_its_rules(app: App[None]) -> None:
    times: list[str] = []

    @app.tool(effect="at_most_once")
    async def pay(tools: ToolContext[None], amount: float) -> str:
        """Pay.

        Args:
            amount: in dollars.
        """
        times.append(tools.idempotency_key)
        return "paid"

    call = function_call("pay", {"amount": 3}, call_id="c0")
    agent = Agent(name="desk", model=ScriptedModel([[call], [assistant_message("done")]]), tools=[as_tool(pay)])
    assert as_tool(pay).description == "Pay."

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            return str((await Runner.run(durable(agent), "go", run_config=QUIET)).final_output)
        except UserError as error:  # the SDK's, around what a tool raises
            assert isinstance(error.__cause__, OutcomeUnknown)
            return error.__cause__.key

    async with app.test() as t:
        t.crash_at("effect-ended", nth=2)
        run = await t.start(body())
        assert await run.result() == "pay#c0"
        assert [entry.op async for entry in t.journal(run.id)] == [Op.MODEL, Op.TOOL, Op.TOOL]
    assert len(times) == 1
    agent.model = ScriptedModel([[call]])
    with pytest.raises(UserError) as refused:
        await Runner.run(agent, "go", run_config=QUIET)
    assert isinstance(refused.value.__cause__, NotInRun)


async def test_limits_and_failures(app: App[None]) -> None:
    endless = Bench(*[[function_call("read", {"title": f"{n}"}, call_id=f"c{n}")] for n in range(9)])
    broken = Agent(name="broken", model=ScriptedModel([ConnectionError("no"), [assistant_message("ok")]]))
    twice: StepOptions = {"retries": 1}
    seen: list[BaseException] = []

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            await Runner.run(durable(endless.agent), "go", max_turns=3, run_config=QUIET)
        except MaxTurnsExceeded as error:
            seen.append(error)
        return str((await Runner.run(durable(broken, model_steps=twice), "go", run_config=QUIET)).final_output)

    async with app.test() as t:
        assert await (await t.start(body())).result() == "ok"
    assert isinstance(seen[0], MaxTurnsExceeded)


async def test_a_failure_names_its_step(app: App[None]) -> None:
    broken = Agent(name="broken", model=ScriptedModel([ConnectionError("no")]))
    seen: list[BaseException] = []

    @app.agent
    async def body(ctx: Context) -> None:
        try:
            await Runner.run(durable(broken), "go", run_config=QUIET)
        except StepFailed as error:
            seen.append(error)

    async with app.test() as t:
        await (await t.start(body())).result()
    assert "broken:model#1: ConnectionError: no" in str(seen[0])


async def test_what_would_not_be_durable_is_refused(app: App[None]) -> None:
    with pytest.raises(BadOption, match=r"agent 'a' has MCP servers"):
        durable(Agent(name="a", mcp_servers=[MCPServerStdio({"command": "true"})]))
    with pytest.raises(BadOption, match=r"agent 'a': the SDK carries out 'local_shell'"):
        durable(Agent(name="a", tools=[LocalShellTool(executor=lambda request: "")]))
    with pytest.raises(BadOption, match=r"model_steps=….*no option 'tries'"):
        durable(Agent(name="a"), model_steps={"tries": 1})  # type: ignore[typeddict-unknown-key]


async def test_outside_a_run_it_works_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench([assistant_message("one")], [assistant_message("two")])
    bench.agent.name = "free"
    with caplog.at_level(logging.WARNING, "holdfast.agent"):
        for said in ("one", "two"):
            assert (await Runner.run(durable(bench.agent), "go", run_config=QUIET)).final_output == said
    assert [record.getMessage() for record in caplog.records if record.name == "holdfast.agent"] == [
        "agent free runs outside of a Holdfast run: nothing of it is recorded. Call it in the body of an @app.agent"
    ]


async def test_arguments_that_do_not_fit_a_tool_of_holdfast_are_said_to_the_model(app: App[None]) -> None:
    paid: list[int] = []

    @app.tool
    async def pay(amount: int) -> str:
        paid.append(amount)
        return "paid"

    wrong, right = (function_call("pay", {"amount": n}, call_id=f"c{n}") for n in ("lots", 3))
    broken = function_call("pay", "{", call_id="broken")
    script = [[wrong], [broken], [right], [assistant_message("done")]]
    agent = Agent(name="desk", model=ScriptedModel(script), tools=[as_tool(pay)])

    @app.agent
    async def body(ctx: Context) -> list[str]:
        result = await Runner.run(durable(agent), "go", run_config=QUIET)
        return [str(item.output) for item in result.new_items if isinstance(item, ToolCallOutputItem)]

    async with app.test() as t:
        misfit, rubbish, done = await (await t.start(body())).result()
    assert "do not fit" in misfit
    assert "amount" in misfit
    assert "lots" not in misfit, "what was wrong, not what was in it"
    assert "do not fit" in rubbish
    assert (done, paid) == ("paid", [3])


async def test_a_tool_of_holdfast_that_fails_fails_the_agent_s_run(app: App[None]) -> None:
    @app.tool
    async def pay(amount: int) -> str:
        raise ConnectionError("no bank")

    call = function_call("pay", {"amount": 3}, call_id="c0")
    agent = Agent(name="desk", model=ScriptedModel([[call]]), tools=[as_tool(pay)])

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            return str((await Runner.run(durable(agent), "go", run_config=QUIET)).final_output)
        except UserError as error:
            assert isinstance(error.__cause__, StepFailed)
            return error.__cause__.key

    async with app.test() as t:
        assert await (await t.start(body())).result() == "pay#c0"


async def test_agents_may_share_a_tool_of_holdfast(app: App[None]) -> None:
    @app.tool
    async def pay(amount: int) -> str:
        return f"paid {amount}"

    def agent(name: str) -> Agent[Any]:
        script = [[function_call("pay", {"amount": 3}, call_id="c")], [assistant_message("done")]]
        return Agent(name=name, model=ScriptedModel(script), tools=[as_tool(pay)])

    @app.agent
    async def body(ctx: Context) -> None:
        for name in ("a", "b"):
            await Runner.run(durable(agent(name)), "go", run_config=QUIET)

    async with app.test() as t:
        run = await t.start(body())
        await run.result()
        assert await run.recorded() == ["a:model#1", "pay#c", "a:model#2", "b:model#1", "pay#c.2", "b:model#2"]


async def test_what_an_agent_that_is_a_tool_uses_is_counted_live_and_replayed_alike(app: App[None]) -> None:
    def used(answer: Any, tokens: int) -> ModelResponse:
        return ModelResponse([answer], Usage(requests=1, input_tokens=tokens, total_tokens=tokens), None)

    for nth in (1, 2, 3):
        local: App[None] = App("talk")
        inner = Agent(name="inner", model=ScriptedModel([used(assistant_message("it is"), 30)]))
        asks = function_call("ask", {"input": "is it?"}, call_id="c")
        script = [used(asks, 10), used(assistant_message("done"), 20)]
        outer = Agent(name="outer", model=ScriptedModel(script), tools=[inner.as_tool("ask", "Ask it.")])

        @local.agent
        async def body(ctx: Context, outer: Agent[Any] = outer) -> list[int]:
            counted = (await Runner.run(durable(outer), "go", run_config=QUIET)).context_wrapper.usage
            return [counted.requests, counted.input_tokens]

        async with local.test() as t:
            t.crash_at("committed", nth=nth)
            run = await t.start(body())
            assert await run.result() == [3, 60]
            total = await t.usage(run.id)
            assert [total.requests, total.input_tokens] == [3, 60]


async def test_a_model_of_the_run_config_is_refused_before_any_tool_is_called(app: App[None]) -> None:
    bench = Bench()
    config = RunConfig(tracing_disabled=True, model=bench.model)

    @app.agent
    async def body(ctx: Context) -> None:
        await Runner.run(durable(bench.agent), "go", run_config=config)

    async with app.test(check_replay=False) as t:  # nothing of what that model said is recorded
        with pytest.raises(RunFailed, match=r"RunConfig\(model=…\) asks another model than durable\(agent\) has"):
            await (await t.start(body())).result()
    assert bench.read == []


async def test_each_agent_is_said_to_be_undurable_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    agents = [Agent(name="twin", model=ScriptedModel([[assistant_message("hi")]] * 2)) for _ in range(2)]
    with caplog.at_level(logging.WARNING, "holdfast.agent"):
        for agent in agents * 2:
            await Runner.run(durable(agent), "go", run_config=QUIET)
    assert [record.name for record in caplog.records].count("holdfast.agent") == 2
