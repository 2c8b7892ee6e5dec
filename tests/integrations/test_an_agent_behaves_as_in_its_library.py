"""Inside a run an agent does what it does outside: retries, validation, limits and errors are the library's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext, Tool, ToolOutput, _utils, exceptions
from pydantic_ai._function_schema import FunctionSchema
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.durable_exec import BaseDurabilityCapability
from pydantic_ai.exceptions import (
    FallbackExceptionGroup,
    ModelAPIError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelRateLimitError,
    ModelRequestTimeout,
    ModelTimeoutError,
    RunTimedOut,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import UsageLimits

from holdfast import App, BadOption, Context, NotInRun, RunCancelled, StepFailed, StepTimedOut
from holdfast.clock import to_datetime
from holdfast.integrations.pydantic_ai import Durable, Transient
from tests.integrations.talk import body_of, calls, returned, says, scripted, timeless, told


async def in_a_run(app: App[None], agent: Agent[None, Any], **options: Any) -> Any:
    """What an agent comes to inside a run: its output, or the error that its body sees."""
    seen: list[BaseException] = []

    @app.agent
    async def body(ctx: Context) -> Any:
        try:
            return (await agent.run("go", **options)).output
        except Exception as error:
            seen.append(error)
            return "failed"

    async with app.test() as t:
        result = await (await t.start(body())).result()
    return seen[0] if result == "failed" else result


def failing(error: Callable[[], Exception]) -> FunctionModel:
    """A model that fails."""

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise error()

    return FunctionModel(answer)


async def test_the_messages_are_those_of_the_library_alone(app: App[None]) -> None:
    agent = Agent(scripted(calls(("add", {"a": 1, "b": 2})), says("3")), name="adder", capabilities=[Durable()])

    @agent.tool
    def add(ctx: RunContext[None], a: int, b: int) -> int:
        assert ctx.messages
        return a + b

    alone = timeless(told(await agent.run("go")))
    body = body_of(app, agent)
    async with app.test() as t:
        assert timeless(await (await t.start(body("go"))).result()) == alone


async def test_ids_and_times_are_the_same_when_it_is_replayed(app: App[None]) -> None:
    agent = Agent(scripted(calls(("add", {"a": 1})), says("3")), name="adder", capabilities=[Durable()])
    agent.tool_plain(name="add")(lambda a: a)
    body = body_of(app, agent)
    async with app.test() as t:  # which replays the run, and compares what it returns: all messages, times included
        run = await t.start(body("go"))
        said = (await run.result())["messages"]
        assert said[0]["run_id"].startswith(run.id)
        times = [message["timestamp"] for message in said if message["kind"] == "request"]
        moments = [to_datetime(entry.at) async for entry in t.journal(run.id)]
        started = (await run.info()).started_at
        assert started is not None
        observed = {moment.isoformat().replace("+00:00", "Z") for moment in (to_datetime(started), *moments)}
        assert set(times) <= observed  # the times of what the body has observed, not of its process


async def test_a_tool_that_asks_to_be_called_otherwise_is(app: App[None]) -> None:
    model = scripted(calls(("guess", {"x": 1}), at="a"), calls(("guess", {"x": 2}), at="b"), says("found"))
    agent = Agent(model, name="guesser", capabilities=[Durable()])

    @agent.tool_plain
    def guess(x: int) -> str:
        if x == 1:
            raise ModelRetry("higher")
        return "yes"

    assert await in_a_run(app, agent) == "found"


async def test_an_answer_that_does_not_fit_is_asked_for_again(app: App[None]) -> None:
    class Answer(BaseModel):
        number: int

    right = ModelResponse(parts=[ToolCallPart("answer", {"number": 7}, tool_call_id="b")])
    wrong = ModelResponse(parts=[ToolCallPart("answer", {"number": "many"}, tool_call_id="a")])
    output = ToolOutput(Answer, name="answer")
    agent = Agent(scripted(wrong, right), output_type=output, name="teller", capabilities=[Durable()])

    @app.agent
    async def body(ctx: Context) -> int:
        return (await agent.run("go")).output.number

    async with app.test() as t:
        assert await (await t.start(body())).result() == 7


async def test_rubbish_ends_it(app: App[None]) -> None:
    agent = Agent(scripted(says("?"), says("?"), says("?")), output_type=int, name="a", capabilities=[Durable()])
    assert isinstance(await in_a_run(app, agent), UnexpectedModelBehavior)


async def test_an_unknown_tool_is_refused(app: App[None]) -> None:
    model = scripted(calls(("nobody", {}), at="a"), calls(("nobody", {}), at="b"))
    error = await in_a_run(app, Agent(model, name="a", capabilities=[Durable()]))
    assert isinstance(error, UnexpectedModelBehavior)
    assert "nobody" in str(error)


async def test_limits_hold(app: App[None]) -> None:
    model = scripted(*(calls(("more", {}), at=f"{n}") for n in range(9)))
    agent = Agent(model, name="a", capabilities=[Durable()])
    agent.tool_plain(name="more")(lambda: "more")
    error = await in_a_run(app, agent, usage_limits=UsageLimits(request_limit=3))
    assert isinstance(error, UsageLimitExceeded)


@pytest.mark.parametrize(
    "error",
    [
        lambda: ModelHTTPError(503, "m", {"why": "busy"}),
        lambda: ModelHTTPError.for_category(
            ModelContextWindowExceededError, status_code=400, model_name="m", body={"max": 8192}
        ),
        lambda: ModelTimeoutError("m", "no answer"),
        lambda: ModelRequestTimeout("m", 3.0),
        lambda: UnexpectedModelBehavior("odd", "<html>"),
    ],
    ids=["http", "context exceeded", "transport timeout", "request timeout", "odd"],
)
async def test_errors_of_a_model_reach_the_body_as_themselves(app: App[None], error: Callable[[], Exception]) -> None:
    seen = await in_a_run(app, Agent(failing(error), name="a", capabilities=[Durable()]))
    assert type(seen) is type(error())
    assert str(seen) == str(error())
    assert getattr(seen, "body", None) == getattr(error(), "body", None)
    assert isinstance(seen.__cause__, StepFailed)  # which has the key of the step


async def test_other_errors_are_those_of_a_step(app: App[None]) -> None:
    seen = await in_a_run(app, Agent(failing(lambda: ValueError("no")), name="a", capabilities=[Durable()]))
    assert isinstance(seen, StepFailed)
    assert (seen.key, seen.type_name) == ("a:model#1.1", "ValueError")


async def test_a_fallback_takes_over(app: App[None]) -> None:
    model = FallbackModel(failing(lambda: ModelHTTPError(503, "m")), scripted(says("second")))
    assert await in_a_run(app, Agent(model, name="a", capabilities=[Durable()])) == "second"


async def test_a_request_is_tried_again_as_its_options_say(app: App[None]) -> None:
    times: list[str] = []

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        times.append("")
        if len(times) < 3:
            raise ModelHTTPError.for_category(ModelRateLimitError, status_code=429, model_name="m")
        return says("at last")

    durable = Durable[None](model_steps={"retries": 2, "backoff": "1h"})
    assert await in_a_run(app, Agent(FunctionModel(answer), name="a", capabilities=[durable])) == "at last"
    assert len(times) == 3


async def test_a_request_that_was_refused_is_not_tried_again(app: App[None]) -> None:
    times: list[str] = []

    def refuse() -> Exception:
        times.append("")
        return ModelHTTPError(400, "m")

    agent = Agent(failing(refuse), name="a", capabilities=[Durable(model_steps={"retries": 5})])
    assert isinstance(await in_a_run(app, agent), ModelHTTPError)
    assert len(times) == 1


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ModelHTTPError(503, "m"), True),
        (ModelHTTPError(429, "m"), True),
        (ModelHTTPError(400, "m"), False),
        (ModelTimeoutError("m", "slow"), True),
        (ModelAPIError("m", "gone"), True),
        (ValueError(), False),
    ],
)
def test_what_is_transient(error: Exception, passes: bool) -> None:
    assert isinstance(error, Transient) is passes


async def test_a_model_that_does_not_answer_in_time(app: App[None]) -> None:
    async def never(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        await asyncio.Event().wait()
        raise AssertionError

    agent = Agent(FunctionModel(never), name="a", capabilities=[Durable(model_steps={"timeout": "50ms"})])
    seen = await in_a_run(app, agent)
    assert isinstance(seen, StepTimedOut)
    assert "a:model#1.1" in str(seen)


async def test_a_missing_key_is_named(app: App[None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    seen = await in_a_run(app, Agent("openai:gpt-5", name="a", capabilities=[Durable()]))
    assert isinstance(seen, UserError)
    assert "OPENAI_API_KEY" in str(seen)


async def test_a_result_that_cannot_be_recorded_names_its_tool(app: App[None]) -> None:
    agent = Agent(scripted(calls(("lookup", {}))), name="a", capabilities=[Durable()])
    agent.tool_plain(name="lookup")(object)
    seen = await in_a_run(app, agent)
    assert isinstance(seen, StepFailed)
    assert seen.key == "a.lookup#1.c0"
    assert "NotStorable" in str(seen)
    assert "cannot be recorded" in str(seen)


async def test_outside_a_run_it_works_and_says_once_that_it_is_not_durable(caplog: pytest.LogCaptureFixture) -> None:
    agent = Agent(scripted(says("hi")), name="free", capabilities=[Durable()])
    with caplog.at_level(logging.WARNING, "holdfast.agent"):
        assert (await agent.run("go")).output == "hi"
        assert (await agent.run("go")).output == "hi"
    assert [record.getMessage() for record in caplog.records if record.name == "holdfast.agent"] == [
        "agent free runs outside of a Holdfast run: nothing of it is recorded. Call it in the body of an @app.agent"
    ]


async def test_in_a_step_it_is_part_of_the_step(app: App[None], caplog: pytest.LogCaptureFixture) -> None:
    agent = Agent(scripted(says("hi")), name="inner", capabilities=[Durable()])

    async def ask() -> str:
        return (await agent.run("go")).output

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(ask)

    async with app.test() as t:
        run = await t.start(body())
        assert await run.result() == "hi"
        assert await run.recorded() == ["test_in_a_step_it_is_part_of_the_step.ask#1"]
    assert [record.getMessage() for record in caplog.records if record.name == "holdfast.agent"] == []


async def test_runs_of_one_agent_side_by_side(app: App[None]) -> None:
    agent = Agent(scripted(calls(("echo", {"x": 1})), says("done")), name="a", capabilities=[Durable()])
    agent.tool_plain(name="echo")(lambda x: x)

    @app.agent
    async def body(ctx: Context) -> list[str]:
        return [result.output for result in await asyncio.gather(*(agent.run(f"{n}") for n in range(3)))]

    async with app.test() as t:
        run = await t.start(body())
        assert await run.result() == ["done"] * 3
        assert sorted(await run.recorded()) == sorted(
            key for n in (1, 2, 3) for key in (f"a:model#{n}.1", f"a.echo#{n}.c0", f"a:model#{n}.2")
        )


async def test_in_a_branch_of_a_map(app: App[None]) -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return says(f"read {returned(messages)}") if returned(messages) else calls(("read", {}))

    agent = Agent(FunctionModel(answer), name="a", capabilities=[Durable()])
    agent.tool_plain(name="read")(lambda: "it")

    @app.agent
    async def body(ctx: Context) -> list[str]:
        async def one(name: str) -> str:
            return (await agent.run(name)).output

        return list(await ctx.map(one, ["x", "y", "z"], key=str))

    async with app.test() as t:
        t.crash_at("committed", nth=3)
        assert await (await t.start(body())).result() == ["read ['it']"] * 3


async def test_a_changed_prompt_keeps_the_recorded_answer_and_logs_drift(
    app: App[None], tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def deployed(instructions: str) -> tuple[App[None], Any]:
        fresh: App[None] = App("talk")
        agent = Agent(
            FunctionModel(lambda messages, info: says(str(info.instructions))),
            name="a", instructions=instructions, capabilities=[Durable()],
        )  # fmt: skip

        @fresh.agent
        async def body(ctx: Context) -> list[str]:
            first = (await agent.run("go")).output
            await ctx.promise("on", bool)
            return [first, (await agent.run("go on")).output]

        return fresh, body

    url = f"sqlite:///{tmp_path}/talk.db"
    old, body = deployed("be brief")
    async with old.test(store=url, check_replay=False) as t:
        run = await t.start(body())
        await t.quiet()
    new, _ = deployed("be thorough")
    async with new.test(store=url, check_replay=False) as t, asyncio.timeout(60):
        await t.resolve(f"{run.id}/on", True)
        assert await (await t.get(run.id)).result() == ["be brief", "be thorough"]
    assert "a:model#1.1 was recorded with other arguments" in caplog.text


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadOption, match=r"model_steps=….*retrys.*timeout, retries"):
        Durable(model_steps={"retrys": 3})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(BadOption, match=r"tool_steps.*retries=-1"):
        Durable(tool_steps={"retries": -1})


def test_an_agent_without_a_name_is_refused() -> None:
    with pytest.raises(UserError, match="unique `name`"):
        Agent(scripted(says("hi")), capabilities=[Durable()])


async def test_metadata_that_makes_no_sense_is_refused(app: App[None]) -> None:
    agent = Agent(
        scripted(calls(("lookup", {}))),
        name="a", tools=[Tool(lambda: 1, name="lookup", metadata={"holdfast": "careful"})], capabilities=[Durable()],
    )  # fmt: skip
    assert "tool 'lookup': metadata['holdfast'] is 'careful'" in str(await in_a_run(app, agent))


async def test_a_tool_of_holdfast_needs_a_run(app: App[None]) -> None:
    @app.tool
    async def pay(amount: int) -> str:
        return "paid"

    agent = Agent(scripted(calls(("pay", {"amount": 1}))), name="a", tools=[pay], capabilities=[Durable()])
    with pytest.raises(NotInRun, match=r"pay\(.*outside a run"):
        await agent.run("go")


async def test_a_cancel_reaches_the_agent_and_its_tool(app: App[None]) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()
    agent = Agent(scripted(calls(("wait", {}))), name="a", capabilities=[Durable()])

    @agent.tool_plain
    async def wait() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    body = body_of(app, agent)
    async with app.test() as t, asyncio.timeout(60):
        run = await t.start(body("go"))
        await begun.wait()
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()
        await ended.wait()


async def test_its_own_timeout_is_of_the_run_s_clock(app: App[None]) -> None:
    """It counts from its beginning, over the time that the run spends out of memory."""
    wire = Tool(lambda: "wired", name="wire", requires_approval=True)
    agent = Agent(scripted(calls(("wire", {})), says("done")), name="a", tools=[wire], capabilities=[Durable()])

    @app.agent
    async def body(ctx: Context) -> str:
        try:
            return (await agent.run("go", timeout=7200)).output
        except RunTimedOut:
            return f"late, after {ctx.now() - begun}"

    async with app.test(always_suspend=True) as t:
        begun = to_datetime(t.clock.now())
        run = await t.start(body())
        await t.advance("1h")
        assert await run.status() == "waiting"
        await t.crash()
        await t.advance("2h")
        assert await run.result() == "late, after 2:00:00"


async def test_it_is_iterated_and_its_events_are_streamed_in_the_body(app: App[None]) -> None:
    agent = Agent(scripted(calls(("add", {"a": 1})), says("2")), name="a", capabilities=[Durable()])
    agent.tool_plain(name="add")(lambda a: a + 1)

    @app.agent
    async def body(ctx: Context) -> list[str]:
        nodes = []
        async with agent.iter("go") as steps:
            async for node in steps:
                nodes.append(type(node).__name__)
        return nodes

    async with app.test() as t:
        t.crash_at("committed", nth=2)
        run = await t.start(body())
        nodes = await run.result()
        assert nodes == [
            "UserPromptNode",
            "ModelRequestNode",
            "CallToolsNode",
            "ModelRequestNode",
            "CallToolsNode",
            "End",
        ]
        assert await run.recorded() == ["a:model#1.1", "a.add#1.c0", "a:model#1.2"]


async def test_plain_functions_that_the_library_calls_in_the_body_run_there(app: App[None]) -> None:
    """Threads would be refused: they run inline."""
    agent = Agent(
        FunctionModel(lambda messages, info: says(f"{info.instructions}, {len(messages)} message")), name="a",
        capabilities=[ProcessHistory(lambda messages: messages[-1:]), Durable()],
    )  # fmt: skip

    @agent.instructions
    def instruct() -> str:
        return "be brief"

    @agent.output_validator
    def shout(text: str) -> str:
        return text.upper()

    assert await in_a_run(app, agent) == "BE BRIEF, 1 MESSAGE"


async def test_when_every_model_of_a_fallback_fails_the_body_sees_all_their_errors(app: App[None]) -> None:
    """With those that are not the library's own as failures of the step."""
    broken = FallbackModel(
        failing(lambda: ModelHTTPError(503, "m", {"why": "busy"})), failing(lambda: ValueError("odd")),
        fallback_on=(ModelHTTPError, ValueError),
    )  # fmt: skip
    seen = await in_a_run(app, Agent(broken, name="a", capabilities=[Durable()]))
    assert isinstance(seen, FallbackExceptionGroup)
    first, second = seen.exceptions
    assert (type(first), first.status_code, first.body) == (ModelHTTPError, 503, {"why": "busy"})
    assert (type(second), second.key, second.type_name) == (StepFailed, "a:model#1.1", "ValueError")
    assert isinstance(seen.__cause__, StepFailed)
    assert seen.__cause__.type_name == "FallbackExceptionGroup"


async def test_a_fallback_is_tried_again_if_all_its_errors_may_pass(app: App[None]) -> None:
    times: list[str] = []

    def busy() -> Exception:
        times.append("")
        return ModelHTTPError(503 if len(times) < 4 else 400, "m")

    model = FallbackModel(failing(busy), failing(busy))
    steps = Durable[None](model_steps={"retries": 5})
    assert isinstance(await in_a_run(app, Agent(model, name="a", capabilities=[steps])), FallbackExceptionGroup)
    assert len(times) == 4, "the second pair had an error that does not pass"


class Throttled(ModelHTTPError):
    """An error that a model of one's own raises."""


class Odd(UserError):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}: {why}")


async def test_an_error_derived_from_the_library_s_is_caught_as_that(app: App[None]) -> None:
    seen = await in_a_run(app, Agent(failing(lambda: Throttled(503, "m")), name="a", capabilities=[Durable()]))
    assert (type(seen), seen.status_code) == (ModelHTTPError, 503)
    odd = await in_a_run(App("odd"), Agent(failing(lambda: Odd(3, "no")), name="a", capabilities=[Durable()]))
    assert (type(odd), str(odd)) == (UserError, "3: no")
    page = "<html>" * 10_000
    long = await in_a_run(App("long"), Agent(failing(lambda: ModelHTTPError(502, "m", page)), name="a",
                                             capabilities=[Durable()]))  # fmt: skip
    assert (type(long), long.status_code) == (ModelHTTPError, 502)


async def test_an_error_that_cannot_be_made_again_is_a_step_s_failure(
    app: App[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal of another version of the library may have one; nobody ever sees what it was carried in."""
    broken = Agent(failing(lambda: ModelHTTPError(503, "m")), name="a", capabilities=[Durable()])
    monkeypatch.setattr(ModelHTTPError, "__setstate__", None, raising=False)
    seen = await in_a_run(app, broken)
    assert type(seen) is StepFailed
    assert (seen.key, seen.type_name) == ("a:model#1.1", "ModelHTTPError")
    assert "LibraryError" not in str(seen)


async def test_two_that_are_iterated_in_one_task_keep_their_numbers(app: App[None]) -> None:
    def agent(name: str) -> Agent[None, str]:
        made: Agent[None, str] = Agent(scripted(calls(("echo", {"x": 1})), says("done")), name=name,
                                       capabilities=[Durable()])  # fmt: skip
        made.tool_plain(name="echo")(lambda x: x)
        return made

    a, b = agent("a"), agent("b")

    @app.agent
    async def body(ctx: Context) -> None:
        await a.run("before")
        async with a.iter("one") as one, a.iter("two") as two, b.iter("three") as three:
            for steps in (three, two, one):
                async for _ in steps:
                    pass

    async with app.test() as t:
        t.crash_at("committed", nth=5)
        run = await t.start(body())
        await run.result()
        assert await run.recorded() == [
            key for name, number in (("a", 1), ("b", 1), ("a", 3), ("a", 2))
            for key in (f"{name}:model#{number}.1", f"{name}.echo#{number}.c0", f"{name}:model#{number}.2")
        ]  # fmt: skip


def test_what_it_uses_of_the_library_s_private_names_is_there() -> None:
    """Each is used for want of a public one; a minor version may take it away, and this test says which."""
    assert callable(_utils.disable_threads)
    assert callable(BaseDurabilityCapability._model_stream_event_handler)
    assert exceptions._ATTACHED_ATTR_PREFIX == "_pydantic_ai_"
    assert callable(FunctionSchema.call)
    assert "function" in FunctionSchema.__dataclass_fields__
