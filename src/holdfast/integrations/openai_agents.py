"""Agents of the OpenAI Agents SDK that outlive their process (extra ``openai-agents``): ``durable(agent)``.

The same pattern as for pydantic-ai on a narrower surface: the SDK's model interface, and its function tools wrapped.
What else it carries out itself (MCP servers, shells) is refused rather than done undurably.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from agents import Agent, FunctionTool, Handoff, Model, ModelProvider, ModelResponse, MultiProvider, Tool
from agents.function_schema import function_schema
from agents.items import TResponseStreamEvent
from agents.tool_context import ToolContext
from agents.usage import Usage as SdkUsage
from agents.usage import deserialize_usage, serialize_usage
from openai.types.responses import Response, ResponseCompletedEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

from holdfast.durable.calls import Call, Options, Target
from holdfast.durable.catalog import Tool as OwnTool
from holdfast.durable.events import teller
from holdfast.durable.scope import scope_or_none
from holdfast.errors import BadOption
from holdfast.integrations.stepoptions import StepOptions, checked
from holdfast.integrations.steps import added, key_of_call, plain, say_undurable
from holdfast.records.journal import Op
from holdfast.records.usage import Usage, parted, with_usage

__all__ = ["as_tool", "durable"]

C = TypeVar("C")

_LOCAL = frozenset({"computer", "computer_use_preview", "local_shell", "shell", "apply_patch", "custom"})
_RESPONSE: TypeAdapter[ModelResponse] = TypeAdapter(ModelResponse)


def durable(
    agent: Agent[C],
    *,
    provider: ModelProvider | None = None,
    model_steps: StepOptions | None = None,
    tool_steps: StepOptions | None = None,
) -> Agent[C]:
    """A copy of an agent, and of those it hands over to, whose model requests and tool calls are steps of the run.

    Outside a run it does what the agent does, undurably, and says so once.

    Args:
        agent: the agent; it is left as it is.
        provider: finds models by name; the SDK's own by default.
        model_steps: how requests of models are carried out. Default: once.
        tool_steps: how calls of tools are.

    Raises:
        BadOption: the agent has an MCP server or a tool that works on this machine, or an option makes no sense.

    Example:
        >>> async def body(ctx, question: str) -> str:
        ...     return (await Runner.run(durable(reviewer), question)).final_output
    """
    model = checked(model_steps, "durable(model_steps=…)", Options())
    tool = checked(tool_steps, "durable(tool_steps=…)", Options())
    return _Copies(provider or MultiProvider(), model, tool).of(agent)


def as_tool(tool: OwnTool[..., Any]) -> FunctionTool:
    """A Holdfast tool for an agent of the SDK. It keeps its own rules, and is called in the body as itself.

    Arguments that do not fit are said to the model. A tool that fails, its retries used up, fails the agent's run: the
    SDK's ``UserError``, whose cause is the ``StepFailed``.

    Example:
        >>> agent = Agent(name="desk", tools=[as_tool(pay)])
    """
    schema = function_schema(tool, name_override=tool.name)

    async def invoke(ctx: ToolContext[Any], arguments: str) -> str:
        try:
            parsed = schema.params_pydantic_model.model_validate_json(arguments or "{}")
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            return f"The arguments do not fit ({told.removeprefix(': ')}). Call {tool.name} again with others."
        args, kwargs = schema.to_call_args(parsed)
        scope = scope_or_none()
        key = None if scope is None else key_of_call(scope, tool.name, ctx.tool_call_id)
        _refuse_other_model(ctx)
        return str(await tool(*args, **kwargs).using(key=key))

    return _OwnFunctionTool(
        name=tool.name,
        description=schema.description or "",
        params_json_schema=schema.params_json_schema,
        on_invoke_tool=invoke,
        strict_json_schema=schema.strict_json_schema,
    )


class _OwnFunctionTool(FunctionTool):
    """One that stands for a tool of Holdfast's: it is not wrapped."""


class _Copies:
    """Durable copies of agents, one for each: agents may hand over to each other in circles."""

    def __init__(self, provider: ModelProvider, model: Options, tool: Options) -> None:
        self._provider, self._model, self._tool = provider, model, tool
        self._made: dict[int, Agent[Any]] = {}

    def of(self, agent: Agent[C]) -> Agent[C]:
        if id(agent) in self._made:
            return self._made[id(agent)]
        if agent.mcp_servers:
            raise BadOption(
                f"agent {agent.name!r} has MCP servers, which the SDK speaks to from the body of the run: give it "
                f"function tools that call them, or use pydantic-ai, where calls of MCP servers are steps"
            )
        model = _StepModel(agent, agent.model, self._provider, self._model)
        tools = [self._tool_of(agent.name, tool) for tool in agent.tools]
        made = self._made[id(agent)] = agent.clone(
            model=model, tools=tools, handoffs=[], model_settings=agent.model_settings
        )
        made.handoffs = [self._handoff(one) if isinstance(one, Handoff) else self.of(one) for one in agent.handoffs]
        return made

    def _tool_of(self, agent: str, tool: Tool) -> Tool:
        if isinstance(tool, _OwnFunctionTool):
            return tool
        if isinstance(tool, FunctionTool):
            wrapped = copy.copy(tool)
            wrapped.on_invoke_tool = _stepping(agent, wrapped.name, wrapped.on_invoke_tool, self._tool)
            return wrapped
        if tool.name in _LOCAL:
            raise BadOption(
                f"agent {agent!r}: the SDK carries out {tool.name!r} from the body of the run; give it a function tool "
                f"that does the same, which is a step"
            )
        return tool  # the provider carries it out, as a part of the model's request

    def _handoff(self, handoff: Handoff[Any, Any]) -> Handoff[Any, Any]:
        copied, invoke = copy.copy(handoff), handoff.on_invoke_handoff

        async def hand_over(ctx: Any, arguments: str) -> Agent[Any]:
            return self.of(await invoke(ctx, arguments))

        copied.on_invoke_handoff = hand_over
        return copied


class _StepModel(Model):
    """A model each of whose requests is a step."""

    def __init__(self, agent: Agent[Any], model: str | Model | None, provider: ModelProvider, options: Options) -> None:
        self._agent = agent
        self._model = model
        self._provider = provider
        self._options = options

    async def get_response(self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any) -> ModelResponse:
        if scope_or_none() is None:
            say_undurable(self._agent, self._agent.name)
            return await self._resolved().get_response(system_instructions, input, *args, **kwargs)

        async def ask(asked: Any) -> dict[str, Any]:
            answer = await self._resolved().get_response(system_instructions, input, *args, **kwargs)
            return {
                "message": _RESPONSE.dump_python(answer, mode="json", exclude_unset=True),
                "usage": _used(answer.usage),
            }

        recorded = await self._step(ask, system_instructions, input)
        return _RESPONSE.validate_python(recorded["message"])

    async def stream_response(
        self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any
    ) -> AsyncIterator[TResponseStreamEvent]:
        if scope_or_none() is None:
            say_undurable(self._agent, self._agent.name)
            async for event in self._resolved().stream_response(system_instructions, input, *args, **kwargs):
                yield event
            return

        async def ask(asked: Any) -> dict[str, Any]:
            events = self._resolved().stream_response(system_instructions, input, *args, **kwargs)
            answer = await _told(events)
            return {"message": answer.model_dump(mode="json", exclude_unset=True), "usage": _used_of(answer)}

        recorded = await self._step(ask, system_instructions, input)
        response = Response.model_validate(recorded["message"])
        yield ResponseCompletedEvent(response=response, sequence_number=0, type="response.completed")

    def _resolved(self) -> Model:
        return self._model if isinstance(self._model, Model) else self._provider.get_model(self._model)

    def _step(self, ask: Callable[[Any], Awaitable[Any]], instructions: Any, input: Any) -> Call[Any]:
        new = added(input, _is_of_model) if isinstance(input, list) else input
        asked = {"instructions": instructions, "input": new}
        target = Target(op=Op.MODEL, name=plain(f"{self._agent.name}:model"), fn=ask, defaults=self._options)
        return Call(target, (asked,), {})


def _stepping(
    agent: str, name: str, invoke: Callable[[ToolContext[Any], str], Awaitable[Any]], options: Options
) -> Callable[[ToolContext[Any], str], Awaitable[Any]]:
    async def invoke_as_step(ctx: ToolContext[Any], arguments: str) -> Any:
        scope = scope_or_none()
        if scope is None:
            return await invoke(ctx, arguments)
        _refuse_other_model(ctx)

        async def work(arguments: str) -> Any:
            own = copy.copy(ctx)
            own.usage = SdkUsage()  # what agents count that the tool runs: added below, live and replayed alike
            result = _storable(await invoke(own, arguments))
            return with_usage(result, serialize_usage(own.usage) if own.usage.requests else None)

        target = Target(op=Op.STEP, name=plain(f"{agent}.{name}"), fn=work, defaults=options)
        key = key_of_call(scope, target.name, ctx.tool_call_id)
        value, used = parted(await Call(target, (arguments,), {}).using(key=key))
        if used is not None:
            ctx.usage.add(deserialize_usage(used))
        return value

    return invoke_as_step


def _refuse_other_model(ctx: ToolContext[Any]) -> None:
    """The SDK asks the model of a run's config past the agent's, and says so nowhere before a tool is called."""
    if ctx.run_config is not None and ctx.run_config.model is not None and scope_or_none() is not None:
        raise BadOption(
            "RunConfig(model=…) asks another model than durable(agent) has, from the body of the run: nothing of its "
            "answers is recorded. Give the model to the agent: durable(agent.clone(model=…))"
        )


async def _told(events: AsyncIterator[TResponseStreamEvent]) -> Response:
    """The response that a stream ends with; its events are told to those who watch the run."""
    said = teller()
    response: Response | None = None
    async for event in events:
        said.tell(event.type, lambda told=event: told.model_dump(mode="json", warnings=False))
        response = getattr(event, "response", None) or response
    if response is None:
        raise ValueError("the stream of the model ended without a response")
    return response


def _is_of_model(item: Any) -> bool:
    return isinstance(item, dict) and (item.get("role") == "assistant" or item.get("type") == "function_call")


def _storable(result: Any) -> Any:
    """A tool's result as the SDK takes it, without classes: structured outputs as their JSON, all else as text."""
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json")
    if isinstance(result, list) and all(isinstance(one, (BaseModel, dict)) for one in result):
        return [_storable(one) for one in result]
    return result if isinstance(result, (str, dict)) else str(result)


def _used(usage: SdkUsage) -> dict[str, Any]:
    return Usage(requests=1, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens).as_json()


def _used_of(response: Response) -> dict[str, Any]:
    usage = response.usage
    read, written = (usage.input_tokens, usage.output_tokens) if usage is not None else (0, 0)
    return Usage(requests=1, input_tokens=read, output_tokens=written).as_json()
