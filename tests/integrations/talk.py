"""What the tests share: agents whose model is a function, and what was asked of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pydantic_ai import Agent, AgentRunResult
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from holdfast import Agent as HoldfastAgent
from holdfast import App, Context
from holdfast.integrations.pydantic_ai import Durable
from holdfast.testing import Rig, RigRun

Plan = list[list[int]]
"""What a model does: in each round it calls some of the agent's tools, by number, and then it says what they gave."""

Noted = Callable[[], AbstractContextManager[Any]]


def says(text: str) -> ModelResponse:
    """The model says something."""
    return ModelResponse(parts=[TextPart(text)])


def calls(*named: tuple[str, dict[str, Any]], at: str = "c") -> ModelResponse:
    """The model calls tools; ids are ``c0``, ``c1`` …."""
    return ModelResponse(
        parts=[ToolCallPart(name, args, tool_call_id=f"{at}{n}") for n, (name, args) in enumerate(named)]
    )


def scripted(*answers: ModelResponse) -> FunctionModel:
    """A model that gives these answers in turn, by how often it has answered in the conversation."""

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return answers[sum(isinstance(message, ModelResponse) for message in messages)]

    return FunctionModel(answer)


def returned(messages: Sequence[ModelMessage]) -> list[Any]:
    """What tools have given, in the order of the messages."""
    return [
        part.content
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    ]


def prompt_of(messages: Sequence[ModelMessage]) -> str:
    """What the user has said first."""
    first = messages[0]
    assert isinstance(first, ModelRequest)
    return next(str(part.content) for part in first.parts if isinstance(part, UserPromptPart))


def planned(tools: int, noted: Noted = nullcontext) -> Agent[None, str]:
    """An agent with so many tools, async and sync by turns, whose prompt is a plan as JSON."""

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        with noted():
            plan: Plan = json.loads(prompt_of(messages))
            number = sum(isinstance(message, ModelResponse) for message in messages)
            if number == len(plan):
                return says(f"all in all {returned(messages)}")
            wanted = [(f"tool{tool}", {"x": number * 10 + at}) for at, tool in enumerate(plan[number])]
            return calls(*wanted, at=f"r{number}.")

    agent = Agent(FunctionModel(answer), name=f"planned{tools}", capabilities=[Durable()])
    for number in range(tools):
        agent.tool_plain(name=f"tool{number}")(_tool(number, noted))
    return agent


def _tool(number: int, noted: Noted) -> Callable[..., Any]:
    async def slowly(x: int) -> int:
        with noted():
            await asyncio.sleep(0.002 * (number + 1))
            return x + 100 * number

    def in_a_thread(x: int) -> int:
        with noted():
            return x + 100 * number

    return in_a_thread if number % 2 else slowly


def told(result: AgentRunResult[Any]) -> dict[str, Any]:
    """What an agent's run has come to, with all its messages."""
    messages = ModelMessagesTypeAdapter.dump_python(result.all_messages(), mode="json")
    return {"output": result.output, "messages": messages}


def timeless(value: Any) -> Any:
    """The same without what differs between two runs of one agent: times, and the ids of runs."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in ("timestamp", "run_id", "conversation_id")}
    return [timeless(one) for one in value] if isinstance(value, list) else value


async def until_recorded(t: Rig, run: RigRun[Any], key: str) -> None:
    """Wait until the outcome of a step is recorded."""
    watch = t.store.watch()
    try:
        while key not in await run.recorded():
            await watch.wait(1.0)
    finally:
        watch.close()


def body_of(app: App[None], agent: Agent[None, Any]) -> HoldfastAgent[[str], dict[str, Any]]:
    """A Holdfast agent that runs one of the library's, and returns all that was said."""

    @app.agent(name=f"body_of_{agent.name}")
    async def body(ctx: Context, prompt: str) -> dict[str, Any]:
        return told(await agent.run(prompt))

    return body
