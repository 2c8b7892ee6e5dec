"""An agent with everything: tools at once, one of Holdfast's, an approval, an answer that is asked for again, a stream.

``recorded/desk.jsonl`` is a run of it, exported when the integration was written. Whatever version of the library is
installed must replay it: a run in flight does not wait for its end before the library is upgraded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, Tool
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

from holdfast import App, Context
from holdfast.integrations.pydantic_ai import Durable
from tests.integrations.talk import told

app = App("desk")


class Verdict(BaseModel):
    pay: int


@app.tool
async def reserve(amount: int) -> str:
    return f"reserved {amount}"


def look(claim: str) -> str:
    return f"{claim} is open"


async def weigh(claim: str) -> int:
    if claim == "?":
        raise ModelRetry("which claim?")
    return 90


def wire(amount: int) -> str:
    return f"wired {amount}"


ROUNDS: list[list[tuple[str, str]]] = [
    [("look", '{"claim":"c"}'), ("weigh", '{"claim":"?"}'), ("reserve", '{"amount":90}')],
    [("weigh", '{"claim":"c"}'), ("wire", '{"amount":90}')],
    [("final_result", '{"pay":"much"}')],
    [("final_result", '{"pay":90}')],
]


async def script(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[DeltaToolCalls]:
    number = sum(isinstance(message, ModelResponse) for message in messages)
    for at, (name, arguments) in enumerate(ROUNDS[number]):
        yield {at: DeltaToolCall(name=name, json_args=arguments, tool_call_id=f"r{number}.{at}")}


agent = Agent(
    FunctionModel(stream_function=script), name="desk", output_type=Verdict, instructions="Decide.",
    tools=[look, weigh, reserve, Tool(wire, requires_approval=True)], capabilities=[Durable(stream=True)],
)  # fmt: skip


@app.agent
async def settle(ctx: Context, claim: str) -> dict[str, Any]:
    result = await agent.run(f"settle {claim}")
    returns = [part.content for message in result.all_messages() for part in message.parts
               if isinstance(part, ToolReturnPart)]  # fmt: skip
    return {**told(result), "output": result.output.pay, "returns": returns}
