"""The capability that makes an agent durable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from pydantic_ai._utils import disable_threads
from pydantic_ai.agent import EventStreamHandler
from pydantic_ai.capabilities import WrapRunHandler
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    BaseDurabilityCapability,
    DurabilityEngineSpec,
    conversation_id_from_run_id,
    external_event_scope,
    replay_scope,
)
from pydantic_ai.models import Model, ModelRequestContext
from pydantic_ai.run import AgentRunResult
from pydantic_ai.tools import AgentDepsT, DeferredToolRequests, DeferredToolResults, RunContext

from holdfast.clock import to_datetime
from holdfast.durable.calls import Options
from holdfast.durable.effects import step_or_none
from holdfast.durable.scope import current_scope, scope_or_none
from holdfast.errors import NotStorable
from holdfast.integrations.pydantic_ai import agentrun, approvals
from holdfast.integrations.pydantic_ai.events import Publisher
from holdfast.integrations.pydantic_ai.messages import stamp
from holdfast.integrations.pydantic_ai.options import Transient
from holdfast.integrations.pydantic_ai.units import Units
from holdfast.integrations.stepoptions import StepOptions, checked
from holdfast.integrations.steps import plain, say_undurable

_MODEL = Options(retry_on=(Transient,))
_TOOL = Options()


def _unrecordable(error: Exception) -> NotStorable:
    return NotStorable(f"what it returned cannot be recorded ({error}): return JSON values, a model or a dataclass")


class Durable(BaseDurabilityCapability[AgentDepsT]):
    """Makes a pydantic-ai agent durable inside a run; outside one it changes nothing, and says so once.

    In the body of a Holdfast agent, ``await agent.run(…)`` records every model request, tool call and MCP call as a
    step. What is recorded is never asked again, whatever becomes of the process. A tool that ran before a crash does
    not run again: what it changed in ``deps`` is there live, and not after the run has resumed. Return it instead.

    Args:
        models: further models by name, for ``agent.run(model="name")``.
        event_stream_handler: the library's; it sees model events in the step that asks the model.
        name: what the names of the steps begin with; the agent's by default. Do not change it under runs in flight.
        stream: ask models for streams, so that tokens reach watchers (``run.events()``) as they come.
        approvals: wait for a person where a tool needs one (a promise per call); if False, the library's own way: the
            agent's run ends with ``DeferredToolRequests``.
        model_steps: how requests of models are carried out. Default: once, as the library does.
        tool_steps: how calls of tools are. A tool's own ``metadata={"holdfast": {…}}`` comes first.

    Raises:
        BadOption: an option makes no sense.

    Example:
        >>> reviewer = Agent("openai:gpt-5.2", name="reviewer", capabilities=[Durable()])
    """

    engine_spec = DurabilityEngineSpec(
        engine_name="Holdfast",
        durable_unit_noun="step",
        durable_container_noun="run",
        codec=JSON_CODEC,
        serialization_failure=_unrecordable,
        unsupported_runtime_toolset_kinds=frozenset({"function", "mcp", "dynamic"}),
        # A session that a step opens is not kept for the next one: its run may be elsewhere by then.
        toolset_lifecycles={
            "function": "enter-outside-durable",
            "mcp": "enter-outside-durable",
            "dynamic": "enter-never",
        },
        tool_config_key="holdfast",
    )

    def __init__(
        self,
        *,
        models: Mapping[str, Model] | None = None,
        event_stream_handler: EventStreamHandler[AgentDepsT] | None = None,
        name: str | None = None,
        stream: bool = False,
        approvals: bool = True,
        model_steps: StepOptions | None = None,
        tool_steps: StepOptions | None = None,
    ) -> None:
        super().__init__(models=models, event_stream_handler=event_stream_handler, name=name)
        self._stream = stream
        self._approvals = approvals
        self._model_options = checked(model_steps, "Durable(model_steps=…)", _MODEL)
        self._tool_options = checked(tool_steps, "Durable(tool_steps=…)", _TOOL)

    @property
    def in_durable_context(self) -> bool:
        """Whether this is the body of a run: not one of its steps, nor code outside."""
        return scope_or_none() is not None

    @property
    def _own(self) -> str:
        """What the names of its steps begin with."""
        return plain(self.name)

    def get_durable_operation_backend(self) -> Units:
        return Units(self._own, self._model_options, self._tool_options)

    # -- what the library would take from its process, and a replay must find again

    def get_default_run_id(self) -> str | None:
        scope = scope_or_none()
        return None if scope is None else f"{scope.core.run_id}/{scope.next_key(f'~agent-run:{self._own}')}"

    def get_default_conversation_id(self, run_id: str) -> str | None:
        return conversation_id_from_run_id(run_id) if self.in_durable_context else None

    def get_run_clock(self) -> Callable[[], datetime] | None:
        return _now if self.in_durable_context else None

    # -- hooks

    async def wrap_run(self, ctx: RunContext[AgentDepsT], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        scope = scope_or_none()
        if scope is None:
            say_undurable(self, self.name)
            return await super().wrap_run(ctx, handler=handler)
        run = agentrun.begin(scope, self._own, ctx.run_id)
        with ExitStack() as stack:
            stack.callback(agentrun.end, scope, ctx.run_id)
            # Private, for want of a public name; the library's own engine for Temporal does the same. What the library
            # calls outside of steps is a part of the body, which has no threads.
            stack.enter_context(disable_threads())
            stack.enter_context(replay_scope(is_replaying=lambda: scope.core.replaying))
            stack.enter_context(external_event_scope(approvals.Waiter(self._own, run)))
            result = await super().wrap_run(ctx, handler=handler)
        stamp(result.all_messages(), ctx.run_id, _now(), run.stamped)
        return result

    async def before_model_request(
        self, ctx: RunContext[AgentDepsT], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        if self.in_durable_context:
            _, run = agentrun.present("a model was to be asked", self._own, ctx.run_id)
            stamp(request_context.messages, ctx.run_id, _now(), run.stamped)
        return await super().before_model_request(ctx, request_context)

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[AgentDepsT], *, requests: DeferredToolRequests
    ) -> DeferredToolResults | None:
        if not (self._approvals and self.in_durable_context):
            return None
        return await approvals.decided(self._own, ctx, requests)

    # -- streams

    @property
    def has_wrap_run_event_stream(self) -> bool:
        return super().has_wrap_run_event_stream or (self._stream and self.in_durable_context)

    def _model_stream_event_handler(self) -> EventStreamHandler[AgentDepsT] | None:
        handler = super()._model_stream_event_handler()
        return Publisher(handler) if step_or_none() is not None else handler


def _now() -> datetime:
    return to_datetime(current_scope("the time of a message").loop.now)
