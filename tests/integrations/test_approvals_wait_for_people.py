"""A tool that needs approval suspends the run; it goes on with the decision: as it is, with other arguments, or not."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ApprovalRequired, CallDeferred, DeferredToolRequests, RunContext, Tool
from pydantic_ai.capabilities import RequestInput
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from holdfast import App, Context, NotStorable, UnknownRun, codec
from holdfast.integrations.pydantic_ai import Durable, PendingCalls, ToolDecision, pending_calls
from holdfast.integrations.pydantic_ai.decisions import schema_for
from holdfast.records.journal import Kind
from holdfast.testing import Rig, RigRun
from tests.integrations.talk import body_of, calls, prompt_of, returned, says

PAYMENT = calls(("pay", {"amount": 100}))


class Desk:
    """An agent that pays, if it may, and says what came of it."""

    def __init__(self, app: App[None], first: ModelResponse = PAYMENT, **options: Any) -> None:
        self.paid: list[int] = []

        def pay(amount: int) -> str:
            self.paid.append(amount)
            return f"paid {amount}"

        def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            asked = sum(isinstance(message, ModelResponse) for message in messages)
            return says(f"{returned(messages)}") if asked else first

        tools = [Tool(pay, requires_approval=True)]
        self.agent = Agent(FunctionModel(answer), name="desk", tools=tools, capabilities=[Durable(**options)])
        self.body = body_of(app, self.agent)


async def asked(t: Rig, run: RigRun[Any]) -> list[PendingCalls]:
    """What a run waits for, once it is out of memory."""
    await t.quiet()
    assert await run.status() == "waiting"
    assert not t.worker.active
    return await pending_calls(t, run.id)


@pytest.mark.parametrize(
    ("decision", "said", "paid"),
    [
        ({"approved": True}, "['paid 100']", [100]),
        (ToolDecision(approved=True, arguments={"amount": 60}), "['paid 60']", [60]),
        ({"approved": False, "message": "over the limit"}, "['over the limit']", []),
        ({"approved": False}, "['The tool call was denied.']", []),
    ],
    ids=["approved", "edited", "denied with a message", "denied"],
)
async def test_a_decision_from_outside(app: App[None], decision: Any, said: str, paid: list[int]) -> None:
    desk = Desk(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(desk.body("pay it"))
        (pending,) = await asked(t, run)
        (call,) = pending.calls
        assert (call.tool, call.arguments, call.tool_call_id, call.kind) == ("pay", {"amount": 100}, "c0", "approval")
        await t.crash()
        await t.advance("9d")
        assert desk.paid == []
        assert await t.resolve(call.promise, decision)
        assert (await run.result())["output"] == said
        assert await pending_calls(t, run.id) == []
        assert not await t.resolve(call.promise, {"approved": True})
    assert desk.paid == paid


async def test_whoever_decides_sees_all_that_was_said(app: App[None]) -> None:
    desk = Desk(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(desk.body("pay it"))
        (pending,) = await asked(t, run)
        assert prompt_of(pending.messages) == "pay it"
        assert isinstance(pending.messages[-1], ModelResponse)
        assert [part.tool_name for part in pending.messages[-1].parts if isinstance(part, ToolCallPart)] == ["pay"]
        await t.resolve(pending.calls[0].promise, {"approved": True})
        await run.result()


async def test_several_at_once_are_decided_one_by_one(app: App[None]) -> None:
    desk = Desk(app, calls(("pay", {"amount": 1}), ("pay", {"amount": 2})))
    async with app.test(always_suspend=True) as t:
        run = await t.start(desk.body("pay both"))
        ((first, second),) = [pending.calls for pending in await asked(t, run)]
        await t.resolve(second.promise, {"approved": True})
        ((left,),) = [pending.calls for pending in await asked(t, run)]
        assert left == first
        await t.resolve(first.promise, {"approved": False, "message": "no"})
        assert (await run.result())["output"] == "['no', 'paid 2']"
    assert desk.paid == [2]


async def test_a_decision_that_is_none_is_refused_and_the_run_waits_on(app: App[None]) -> None:
    desk = Desk(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(desk.body("pay it"))
        (pending,) = await asked(t, run)
        with pytest.raises(NotStorable, match="does not fit its type"):
            await t.resolve(pending.calls[0].promise, {"approve": "yes"})
        await t.resolve(pending.calls[0].promise, {"approved": True})
        assert (await run.result())["output"] == "['paid 100']"


async def test_a_promise_that_is_failed_denies_the_call(app: App[None]) -> None:
    desk = Desk(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(desk.body("pay it"))
        (pending,) = await asked(t, run)
        await t.fail(pending.calls[0].promise, "the desk is closed")
        assert (await run.result())["output"] == "['No decision on this call: the desk is closed']"
    assert desk.paid == []


async def test_a_tool_that_asks_only_sometimes(app: App[None]) -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return says(f"{returned(messages)}") if returned(messages) else calls(("pay", {"amount": 900}))

    agent = Agent(FunctionModel(answer), name="desk", capabilities=[Durable()])

    @agent.tool
    def pay(ctx: RunContext[None], amount: int) -> str:
        if amount > 500 and not ctx.tool_call_approved:
            raise ApprovalRequired(metadata={"limit": 500})
        return f"paid {amount}"

    body = body_of(app, agent)
    async with app.test(always_suspend=True) as t:
        run = await t.start(body("go"))
        (pending,) = await asked(t, run)
        assert pending.calls[0].metadata == {"limit": 500}
        await t.resolve(pending.calls[0].promise, {"approved": True})
        assert (await run.result())["output"] == "['paid 900']"


async def test_a_call_that_is_carried_out_elsewhere(app: App[None]) -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return says(f"{returned(messages)}") if returned(messages) else calls(("survey", {"place": "x"}))

    agent = Agent(FunctionModel(answer), name="desk", capabilities=[Durable()])

    @agent.tool_plain
    def survey(place: str) -> str:
        raise CallDeferred

    body = body_of(app, agent)
    async with app.test(always_suspend=True) as t:
        run = await t.start(body("go"))
        (pending,) = await asked(t, run)
        assert pending.calls[0].kind == "result"
        await t.resolve(pending.calls[0].promise, {"depth": 3})
        assert (await run.result())["output"] == "[{'depth': 3}]"


async def test_the_library_s_own_way_is_there_as_well(app: App[None]) -> None:
    desk = Desk(app, approvals=False)

    @app.agent
    async def ask(ctx: Context) -> str:
        first = await desk.agent.run("pay it", output_type=[str, DeferredToolRequests])
        assert isinstance(first.output, DeferredToolRequests)
        results = first.output.build_results(approve_all=await ctx.promise("approve", bool))
        return str((await desk.agent.run(message_history=first.all_messages(), deferred_tool_results=results)).output)

    async with app.test(always_suspend=True) as t:
        run = await t.start(ask())
        await t.quiet()
        await t.resolve(f"{run.id}/approve", True)
        assert await run.result() == "['paid 100']"


async def test_the_library_s_waits_for_the_outside_are_promises(app: App[None]) -> None:
    tokens: list[str] = []

    async def ask(ctx: RunContext[None], requests: DeferredToolRequests, token: str) -> None:
        tokens.append(token)

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return says(f"{returned(messages)}") if returned(messages) else PAYMENT

    pay = Tool(lambda amount: f"paid {amount}", name="pay", requires_approval=True)
    asks = RequestInput[None](ask, timeout=timedelta(days=2))
    agent = Agent(FunctionModel(answer), name="desk", tools=[pay], capabilities=[asks, Durable(approvals=False)])
    body = body_of(app, agent)
    async with app.test(always_suspend=True) as t:
        run = await t.start(body("go"))
        await t.quiet()
        await t.crash()
        (token,) = tokens
        await t.resolve(token, {"approvals": {"c0": True}})
        assert (await run.result())["output"] == "['paid 100']"
        late = await t.start(body("again"))
        assert "no answer within 2 days" in (await late.result())["output"]
    assert len(tokens) == 2


async def test_what_is_recorded_of_asks_grows_with_what_is_new(app: App[None]) -> None:
    """A conversation of many turns, each of which asks: no message is recorded by two asks."""

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        paid = returned(messages[-1:])
        return says(f"{paid}") if paid else calls(("pay", {"amount": 1}), at=f"turn{len(messages)}.")

    pay = Tool(lambda amount: f"paid {amount}", name="pay", requires_approval=True)
    desk = Agent(FunctionModel(answer), name="desk", tools=[pay], capabilities=[Durable()])

    @app.agent
    async def talk(ctx: Context, turns: int) -> int:
        history: list[ModelMessage] = []
        for turn in range(turns):
            result = await desk.run(f"turn {turn}: pay it", message_history=history)
            history = result.all_messages()
        return len(history)

    async with app.test(always_suspend=True) as t:
        run = await t.start(talk(6))
        seen: list[int] = []
        for _ in range(6):
            (pending,) = await asked(t, run)
            seen.append(len(pending.messages))
            await t.resolve(pending.calls[0].promise, {"approved": True})
        await run.result()
        sizes = [
            len(codec.unpack(entry.value))
            async for entry in t.journal(run.id)
            if entry.kind is Kind.OUTCOME and ":ask#" in entry.key
        ]
    assert seen == [2, 6, 10, 14, 18, 22]  # all that was said until then
    assert max(sizes[1:]) - min(sizes[1:]) < 100, "and each ask has recorded what was new"


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        ({"approved": True, "args": {"amount": 60}}, "'args' was unexpected"),
        ({"approved": True, "argument": None}, "'argument' was unexpected"),
        ({"approved": True, "arguments": {"amount": "much"}}, r"at \$\.arguments\.amount.*not of type 'integer'"),
        ({"approved": True, "arguments": {"amont": 60}}, r"at \$\.arguments"),
        ({"approved": True, "arguments": {}}, r"at \$\.arguments"),
    ],
    ids=["misspelled", "misspelled and empty", "of another type", "another argument", "none"],
)
async def test_an_edit_that_is_none_is_refused_and_nothing_is_executed(
    app: App[None], edit: dict[str, Any], path: str
) -> None:
    desk = Desk(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(desk.body("pay it"))
        (pending,) = await asked(t, run)
        with pytest.raises(NotStorable, match=path):
            await t.resolve(pending.calls[0].promise, edit)
        await t.quiet()
        assert desk.paid == []
        assert await t.resolve(pending.calls[0].promise, {"approved": True, "arguments": {"amount": 60}})
        assert (await run.result())["output"] == "['paid 60']"
    assert desk.paid == [60]


async def test_a_misspelled_edit_that_comes_before_the_question_denies_the_call(app: App[None]) -> None:
    """A promise may be resolved before it is declared, when nothing is known of what it takes."""
    desk = Desk(app)

    @app.agent
    async def body(ctx: Context) -> str:
        await ctx.promise("go on", bool)
        return str((await desk.agent.run("pay it")).output)

    async with app.test() as t:
        run = await t.start(body())
        await t.resolve(f"{run.id}/desk.pay.approval.1.c0", {"approved": True, "args": {"amount": 60}})
        await t.resolve(f"{run.id}/go on", True)
        assert "No decision on this call" in await run.result()
    assert desk.paid == []


class Account(BaseModel):
    number: int
    bank: str


def test_what_edits_are_held_to() -> None:
    """Models among the arguments are referred to; a schema that cannot be checked against stands for nothing."""
    held_to = json.loads(schema_for({
        "type": "object", "properties": {"account": {"$ref": "#/$defs/Account"}}, "required": ["account"],
        "$defs": {"Account": Account.model_json_schema()},
    }))  # fmt: skip
    approve = {"approved": True, "arguments": {"account": {"number": 3, "bank": "b"}}}
    jsonschema.validate(approve, held_to)
    jsonschema.validate({"approved": True}, held_to)
    with pytest.raises(jsonschema.ValidationError, match="'x' is not of type 'integer'"):
        jsonschema.validate({"approved": True, "arguments": {"account": {"number": "x", "bank": "b"}}}, held_to)
    for odd in ({"type": "nothing"}, {"$ref": "https://example.org/schema"}, {"properties": {"a": {"$ref": "#"}}}):
        jsonschema.validate({"approved": True, "arguments": {"any": 1}}, json.loads(schema_for(odd)))


async def test_a_fork_waits_for_decisions_of_its_own(app: App[None], caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(desk.body("pay it"))
        (pending,) = await asked(t, run)
        fork = await t.fork(run.id, at=(await run.info()).entries)
        await t.quiet()
        (own,) = await pending_calls(t, fork.id)
        assert own.calls[0].promise == pending.calls[0].promise.replace(run.id, fork.id)
        await t.resolve(own.calls[0].promise, {"approved": True})
        await (await t.get(fork.id)).result()
        assert desk.paid == [100]
        assert len(await pending_calls(t, run.id)) == 1
        await t.resolve(pending.calls[0].promise, {"approved": False})
        await run.result()
    assert "other arguments" not in caplog.text


async def test_what_nobody_can_decide_is_not_asked(app: App[None]) -> None:
    desk = Desk(app, calls(("pay", {"amount": 1}), ("pay", {"amount": 2})))
    async with app.test(always_suspend=True) as t:
        run = await t.start(desk.body("pay both"))
        ((first, second),) = [pending.calls for pending in await asked(t, run)]
        await t.fail(first.promise, "the desk is closed")
        ((left,),) = [pending.calls for pending in await asked(t, run)]
        assert left == second
        await run.cancel()
        await t.quiet()
        assert await run.status() == "cancelled"
        assert await pending_calls(t, run.id) == []
        with pytest.raises(UnknownRun):
            await pending_calls(t, "nowhere")
