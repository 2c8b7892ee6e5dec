"""Tools of an agent are steps; Holdfast's own keep their rules; none is cut while it is at work."""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastmcp.client.transports import StdioTransport
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext, Tool, UsageLimits
from pydantic_ai.exceptions import UserError
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.toolsets import DynamicToolset, FunctionToolset

from holdfast import App, Context, OutcomeUnknown, RunFailed, Settings, ToolContext, idempotency_key
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


async def test_agents_may_share_a_tool_of_holdfast_whatever_their_models_call_their_calls(app: App[None]) -> None:
    @app.tool
    async def pay(amount: int) -> str:
        return f"paid {amount}"

    one, two = (
        Agent(gives_back(calls(("pay", {"amount": n}))), name=f"a{n}", tools=[pay], capabilities=[Durable()])
        for n in (1, 2)
    )

    @app.agent
    async def body(ctx: Context) -> list[str]:
        return [(await agent.run("go")).output for agent in (one, two, one)]

    async with app.test() as t:
        t.crash_at("committed", nth=5)
        run = await t.start(body())
        assert await run.result() == ["['paid 1']", "['paid 2']", "['paid 1']"]
        paid = [key for key in await run.recorded() if key.startswith("pay#")]
    assert paid == ["pay#1.c0", "pay#1.c0.2", "pay#2.c0"]


async def test_what_a_tool_of_holdfast_says_to_the_model_is_no_failure(app: App[None]) -> None:
    """Its retries are for failures; it asks to be called otherwise at once."""
    times: list[int] = []

    @app.tool(retries=3)
    async def guess(x: int) -> str:
        times.append(x)
        if x == 1:
            raise ModelRetry("higher")
        if len(times) < 3:
            raise ConnectionError
        return "found"

    model = scripted(calls(("guess", {"x": 1}), at="a"), calls(("guess", {"x": 2}), at="b"), says("done"))
    agent = Agent(model, name="a", tools=[guess], capabilities=[Durable()])
    body = body_of(app, agent)
    async with app.test() as t:
        assert (await (await t.start(body("go"))).result())["output"] == "done"
    assert times == [1, 2, 2]


async def test_a_tool_of_holdfast_takes_its_arguments_as_it_declares_them(app: App[None]) -> None:
    seen: list[Any] = []

    @app.tool
    async def spread(a: int, b: int = 2, *more: int, note: str = "", **others: int) -> None:
        seen.append((a, b, more, note, others))

    @app.tool
    async def placed(a: int, /, b: int = 2) -> None:
        seen.append((a, b))

    rounds = calls(
        ("spread", {"a": 1, "more": [3, 4], "note": "n", "z": 9}), ("spread", {"a": 1, "b": 5, "more": []}),
        ("placed", {"a": 7}),
    )  # fmt: skip
    agent = Agent(gives_back(rounds), name="a", tools=[spread, placed], capabilities=[Durable()])
    body = body_of(app, agent)
    async with app.test() as t:
        await (await t.start(body("go"))).result()
    assert sorted(seen, key=str) == [(1, 2, (3, 4), "n", {"z": 9}), (1, 5, (), "", {}), (7, 2)]


@dataclass
class Reading:
    values: dict[str, list[float]]


class Measured(BaseModel):
    value: float


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"a": [1.0, float("nan")]}, r"\$\.a\[1\]: JSON has no nan"),
        (Reading({"x": [float("inf")]}), r"\$\.values\.x\[0\]: JSON has no inf"),
        (Measured(value=float("-inf")), r"\$\.value: JSON has no -inf"),
        ([{"k": {1: "one"}}], r"\$\[0\]\.k: the key 1 is no text"),
        ({0: "zero"}, r"\$: the key 0 is no text"),
    ],
    ids=["nan", "in a dataclass", "in a model", "a key", "a key that is falsy"],
)
async def test_a_result_that_would_come_back_as_another_is_refused(app: App[None], result: Any, said: str) -> None:
    agent = Agent(gives_back(calls(("look", {}))), name="a", capabilities=[Durable()])
    agent.tool_plain(name="look")(lambda: result)
    body = body_of(app, agent)
    async with app.test() as t:
        with pytest.raises(RunFailed, match=f"a.look#1.c0.*NotStorable.*{said}"):
            await (await t.start(body("go"))).result()


async def test_what_json_holds_otherwise_comes_to_the_model_as_json(
    app: App[None], recwarn: pytest.WarningsRecorder
) -> None:
    agent = Agent(gives_back(calls(("look", {}))), name="a", capabilities=[Durable()])
    agent.tool_plain(name="look")(
        lambda: {"tuple": (1, 2), "set": {3}, "bytes": b"\xff\x00", "model": Measured(value=1)}
    )
    body = body_of(app, agent)
    async with app.test() as t:
        said = (await (await t.start(body("go"))).result())["output"]
    assert said == "[{'tuple': [1, 2], 'set': [3], 'bytes': '_wA=', 'model': {'value': 1.0}}]"
    assert [str(warning.message) for warning in recwarn] == []


async def test_what_a_tool_s_own_agents_use_is_counted_live_and_replayed_alike(app: App[None]) -> None:
    inner = Agent(scripted(says("it is")), name="inner", capabilities=[Durable()])
    model = scripted(calls(("ask", {}), ("ask", {}), at="a"), calls(("ask", {}), at="b"), says("done"))
    outer = Agent(model, name="outer", capabilities=[Durable()])

    @outer.tool
    async def ask(ctx: RunContext[None]) -> str:
        return (await inner.run("is it?", usage=ctx.usage)).output

    @app.agent
    async def body(ctx: Context, most: int) -> list[int]:
        used = (await outer.run("go", usage_limits=UsageLimits(request_limit=most))).usage
        return [used.requests, used.tool_calls, used.input_tokens, used.output_tokens]

    async with app.test() as t:
        run = await t.start(body(9))
        undisturbed = await run.result()
        assert undisturbed[:2] == [6, 3]
        used = await t.usage(run.id)
        assert [used.requests, used.unpriced, used.input_tokens, used.output_tokens] == [6, 6, *undisturbed[2:]]
    for nth in range(2, 6):
        async with app.test() as t:
            t.crash_at("committed", nth=nth)
            assert await (await t.start(body(9))).result() == undisturbed
            t.crash_at("committed", nth=nth)
            with pytest.raises(RunFailed, match="request_limit of 5"):
                await (await t.start(body(5))).result()
