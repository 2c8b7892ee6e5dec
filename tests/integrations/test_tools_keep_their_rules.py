"""Tools of an agent are steps; Holdfast's own keep their rules; none is cut while it is at work."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent, RunContext, Tool
from pydantic_ai.exceptions import UserError
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.toolsets import DynamicToolset, FunctionToolset

from holdfast import App, Context, OutcomeUnknown, Settings, ToolContext, idempotency_key
from holdfast.integrations.pydantic_ai import Durable
from holdfast.records.journal import Kind, Op
from tests.integrations.talk import body_of, calls, returned, says, scripted, until_recorded

SHELF = Path(__file__).with_name("shelf.py")


def gives_back(*rounds: ModelResponse) -> FunctionModel:
    """A model that makes these calls, and then says what came of them."""

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        number = sum(isinstance(message, ModelResponse) for message in messages)
        return rounds[number] if number < len(rounds) else says(f"{returned(messages)}")

    return FunctionModel(answer)


async def test_calls_at_once_are_told_apart_by_their_ids(app: App[None]) -> None:
    """The second ends first; each gets its own result, also after a crash between the two."""
    first, second = asyncio.Event(), asyncio.Event()
    agent = Agent(
        gives_back(calls(("wait", {"name": "x"}), ("wait", {"name": "y"}))), name="a", capabilities=[Durable()]
    )
    times: list[str] = []

    @agent.tool_plain
    async def wait(name: str) -> str:
        times.append(name)
        if name == "x":
            await first.wait()
        second.set()
        return f"{name} done"

    body = body_of(app, agent)
    async with app.test() as t:
        run = await t.start(body("go"))
        await second.wait()
        await until_recorded(t, run, "a.wait#1.c1")
        await t.crash()
        first.set()
        assert (await run.result())["output"] == "['x done', 'y done']"
        recorded = await run.recorded()
        assert recorded.index("a.wait#1.c1") < recorded.index("a.wait#1.c0")
    assert times == ["x", "y", "x"]


async def test_a_tool_runs_in_a_thread_or_on_the_loop_and_has_a_key_of_its_own(app: App[None]) -> None:
    seen: dict[str, str] = {}
    agent = Agent(gives_back(calls(("sync", {}), ("asynchronous", {}))), name="a", capabilities=[Durable()])

    @agent.tool_plain
    def sync() -> bool:
        seen["sync"] = idempotency_key()
        return threading.current_thread() is threading.main_thread()

    @agent.tool
    async def asynchronous(ctx: RunContext[None]) -> bool:
        seen["asynchronous"] = idempotency_key()
        return threading.current_thread() is threading.main_thread()

    body = body_of(app, agent)
    async with app.test() as t:
        run = await t.start(body("go"))
        assert (await run.result())["output"] == "[False, True]"
    assert seen == {"sync": f"{run.id}/a.sync#1.c0", "asynchronous": f"{run.id}/a.asynchronous#1.c1"}


async def test_a_tool_of_holdfast_keeps_its_retries_and_its_record(app: App[None]) -> None:
    times: list[str] = []

    @app.tool(retries=2)
    async def pay(tools: ToolContext[None], claim: str, amount: float) -> str:
        """Pay a claim.

        Args:
            claim: its id.
        """
        times.append(tools.idempotency_key)
        if len(times) < 3:
            raise ConnectionError
        return f"paid {amount} on {claim}"

    shown: list[AgentInfo] = []

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        shown.append(info)
        return says(f"{returned(messages)}") if returned(messages) else calls(("pay", {"claim": "c", "amount": 3}))

    agent = Agent(FunctionModel(answer), name="a", tools=[pay], capabilities=[Durable()])
    body = body_of(app, agent)
    async with app.test() as t:
        run = await t.start(body("go"))
        assert (await run.result())["output"] == "['paid 3.0 on c']"
        tools = [entry async for entry in t.journal(run.id) if entry.op is Op.TOOL]
    assert [(entry.kind, entry.key) for entry in tools] == [
        (Kind.ATTEMPT, "pay#1.c0"), (Kind.ATTEMPT, "pay#1.c0"), (Kind.OUTCOME, "pay#1.c0")
    ]  # fmt: skip
    assert len(set(times)) == 1
    (schema,) = shown[0].function_tools
    assert (schema.name, schema.description) == ("pay", "Pay a claim.")
    assert schema.parameters_json_schema["properties"] == {
        "claim": {"type": "string", "description": "its id."}, "amount": {"type": "number"}
    }  # fmt: skip


async def test_a_tool_of_holdfast_that_may_not_happen_twice_does_not(app: App[None]) -> None:
    times: list[str] = []

    @app.tool(effect="at_most_once")
    async def wire(amount: int) -> str:
        times.append("")
        return "wired"

    agent = Agent(scripted(calls(("wire", {"amount": 1})), says("done")), name="a", tools=[wire])
    durable = Agent(agent.model, name="a", tools=[wire], capabilities=[Durable()])

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            return (await durable.run("go")).output
        except OutcomeUnknown as unknown:
            return unknown.key

    async with app.test() as t:
        t.crash_at("effect-ended", nth=2)  # the first is the model's
        assert await (await t.start(body())).result() == "wire#1.c0"
    assert len(times) == 1


async def test_a_plain_tool_may_say_that_it_must_not_happen_twice(app: App[None]) -> None:
    times: list[str] = []

    def wire() -> str:
        times.append("")
        return "wired"

    careful = Tool(wire, metadata={"holdfast": {"effect": "at_most_once"}})
    agent = Agent(scripted(calls(("wire", {})), says("done")), name="a", tools=[careful], capabilities=[Durable()])

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            return (await agent.run("go")).output
        except OutcomeUnknown as unknown:
            return unknown.key

    async with app.test() as t:
        t.crash_at("effect-ended", nth=2)
        assert await (await t.start(body())).result() == "a.wire#1.c0"
    assert len(times) == 1


async def test_eviction_does_not_cut_a_tool_that_is_at_work(app: App[None]) -> None:
    """The run may leave memory at once when it is quiet; while a tool is at work it is not."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    agent = Agent(gives_back(calls(("work", {}))), name="a", capabilities=[Durable()])
    times: list[str] = []

    @agent.tool_plain
    async def work() -> str:
        times.append("")
        begun.set()
        await go_on.wait()
        return "worked"

    body = body_of(app, agent)
    async with app.test(always_suspend=True, settings=Settings(linger=0.0)) as t:
        run = await t.start(body("go"))
        await begun.wait()
        activation = next(iter(t.worker.active.values()))
        activation.leave_early()  # what a worker does when others want the place
        assert not activation.quiescent
        assert await run.status() == "running"
        go_on.set()
        assert (await run.result())["output"] == "['worked']"
    assert len(times) == 1


async def test_calls_of_an_mcp_server_are_steps(app: App[None], tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    shelf = MCPToolset(StdioTransport(sys.executable, [str(SHELF), str(ledger)]), id="shelf")
    model = gives_back(calls(("fetch", {"title": "Emma"})), calls(("fetch", {"title": "Persuasion"}), at="d"))
    agent = Agent(model, name="a", toolsets=[shelf], capabilities=[Durable()])
    body = body_of(app, agent)
    async with app.test() as t:
        run = await t.start(body("go"))
        await until_recorded(t, run, "a.fetch#1.c0")
        await t.crash()
        assert (await run.result())["output"] == "['here is Emma', 'here is Persuasion']"
        recorded = await run.recorded()
    assert {"a:tools.shelf#1.1", "a.fetch#1.c0", "a.fetch#1.d0"} <= set(recorded)
    assert ledger.read_text().split().count("Emma") == 1
    assert (await agent.run("outside of any run")).output == "['here is Emma', 'here is Persuasion']"


async def test_a_toolset_that_is_made_anew_for_each_step(app: App[None]) -> None:
    async def lookup(place: str) -> str:
        return f"found in {place}"

    made: list[int] = []

    def toolset(ctx: RunContext[None]) -> FunctionToolset[None]:
        made.append(ctx.run_step)
        return FunctionToolset([lookup], id="inner")

    dynamic = DynamicToolset(toolset, id="desk")
    model = gives_back(calls(("lookup", {"place": "x"})))
    agent = Agent(model, name="a", toolsets=[dynamic], capabilities=[Durable()])
    body = body_of(app, agent)
    async with app.test() as t:
        t.crash_at("committed", nth=3)
        run = await t.start(body("go"))
        assert (await run.result())["output"] == "['found in x']"
        assert {"a:tools.desk#1.1", "a.lookup#1.c0"} <= set(await run.recorded())
    assert made


async def test_a_toolset_is_durable_and_one_without_an_id_is_refused(app: App[None]) -> None:
    async def lookup() -> str:
        return "found"

    agent: Agent[None, Any] = Agent(
        gives_back(calls(("lookup", {}))), name="a", toolsets=[FunctionToolset([lookup], id="desk")],
        capabilities=[Durable()],
    )  # fmt: skip
    body = body_of(app, agent)
    async with app.test() as t:
        run = await t.start(body("go"))
        assert (await run.result())["output"] == "['found']"
        assert "a.lookup#1.c0" in await run.recorded()
    with pytest.raises(UserError, match="unique `id`"):
        Agent(gives_back(), name="b", toolsets=[FunctionToolset([lookup])], capabilities=[Durable()])


async def test_a_tool_of_holdfast_is_replaced_in_tests_and_its_calls_are_counted(app: App[None]) -> None:
    @app.tool
    async def pay(amount: int) -> str:
        raise AssertionError("no bank in tests")

    async def no_bank(amount: int) -> str:
        return f"would pay {amount}"

    agent = Agent(gives_back(calls(("pay", {"amount": 3}))), name="a", tools=[pay], capabilities=[Durable()])
    body = body_of(app, agent)
    async with app.test() as t:
        t.replace(pay, no_bank)
        assert (await (await t.start(body("go"))).result())["output"] == "['would pay 3']"
        assert t.calls(pay) == [pay(amount=3)]
