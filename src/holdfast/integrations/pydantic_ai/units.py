"""Units: what the library wants done once, done as steps of the run.

This is the library's contract for engines (``pydantic_ai.durable_exec``): each model request, tool call, MCP call and
capability operation is an *operation*, bound once, called in the body, and carried out here as one step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

from pydantic_ai.durable_exec import (
    BoundDurableOperation,
    CapabilityOperationId,
    DurableOperation,
    DurableOperationBackend,
    DurableOperationId,
    DynamicToolsetCallToolParams,
    EventStreamHandlerId,
    ModelCancelSuspendedResponseId,
    ModelCompactMessagesId,
    ModelRequestId,
    ModelRequestParams,
    ToolsetCallToolId,
    ToolsetCallToolParams,
    ToolsetGetInstructionsId,
    ToolsetGetToolsId,
    ToolsetValidateToolArgumentsId,
    durable_unit_scope,
    record_durable_unit,
)
from pydantic_ai.messages import ModelResponse
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets import ToolsetTool

from holdfast.durable.calls import Call, Options, Target
from holdfast.integrations.pydantic_ai import agentrun, options
from holdfast.integrations.pydantic_ai.failures import LibraryError, RetriedLibraryError, carrying, reraise
from holdfast.integrations.pydantic_ai.messages import asked
from holdfast.integrations.pydantic_ai.owntools import called_as_itself, own_tool
from holdfast.integrations.pydantic_ai.results import dumped
from holdfast.integrations.pydantic_ai.usage import Delegated, count, usage_of
from holdfast.integrations.steps import key_of_call, plain
from holdfast.records.journal import Op
from holdfast.records.usage import parted, with_usage

P = TypeVar("P")
W = TypeVar("W")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One operation as a step."""

    name: str
    own: str | None  # what identifies it among those of its name; else it is numbered
    asked: Any  # for its fingerprint and preview
    op: Op = Op.STEP


class Units(DurableOperationBackend[Options]):
    """Makes steps of an agent's operations.

    Args:
        agent: what the names of the steps begin with.
        model: how requests of models are carried out.
        tool: how all else is.
    """

    def __init__(self, agent: str, model: Options, tool: Options) -> None:
        self._agent = agent
        self._model = model
        self._tool = tool

    def bind(self, operation: DurableOperation[P, W, R]) -> BoundDurableOperation[P, W, R]:
        return _Bound(operation, self)

    def config_for_tool(
        self, operation: DurableOperation[P, W, R], *, tool: object | None, tool_name: str
    ) -> Options | Literal[False]:
        metadata = tool.tool_def.metadata if isinstance(tool, ToolsetTool) else None
        return options.of_tool(metadata, tool_name, self._tool)

    def registrations(self) -> Sequence[Callable[..., object]]:
        return ()

    async def perform(self, operation: DurableOperation[P, W, R], params: P, config: Options | None) -> R:
        """Carry out an operation, once."""
        unit = self._unit(operation.operation_id, params)
        scope, run = agentrun.present(f"{unit.name} was asked for", self._agent, _run_id(params))
        key = run.key(unit.name, unit.own)
        if (tool := own_tool(params)) is not None:
            own = key_of_call(scope, tool.name, key)  # its record has its name, whichever agent calls it
            itself = called_as_itself(cast(ToolsetCallToolParams, params), tool, own)
            return await operation.handler(cast(P, itself))
        options = config or (self._model if unit.op is Op.MODEL else self._tool)
        return await _Work(operation, params, unit.op, options).done_once(unit, key)

    def _unit(self, of: DurableOperationId, params: object) -> Unit:
        agent = self._agent
        match of, params:
            case ModelRequestId(), ModelRequestParams():
                return Unit(name=f"{agent}:model", own=None, asked=asked(params), op=Op.MODEL)
            case ToolsetCallToolId(), ToolsetCallToolParams() | DynamicToolsetCallToolParams():
                return Unit(name=f"{agent}.{params.name}", own=_call_id(params.ctx), asked=params.tool_args)
            case ToolsetValidateToolArgumentsId(), ToolsetCallToolParams() | DynamicToolsetCallToolParams():
                return Unit(name=f"{agent}:validate.{params.name}", own=_call_id(params.ctx), asked=params.tool_args)
            case _:
                return Unit(name=f"{agent}:{_name_of(of)}", own=None, asked=None, op=_op_of(of))


@dataclass(frozen=True, slots=True)
class _Bound(BoundDurableOperation[P, W, R], Generic[P, W, R]):
    _operation: DurableOperation[P, W, R]
    _units: Units

    @property
    def operation(self) -> DurableOperation[P, W, R]:
        return self._operation

    async def __call__(self, params: P, *, config: object | None = None) -> R:
        return await self._units.perform(self._operation, params, cast("Options | None", config))


class _Work(Generic[P, W, R]):
    """What a step does: the operation, and its result as it is recorded.

    Attributes:
        done: whether it has been done here, rather than found in the journal.
    """

    def __init__(self, operation: DurableOperation[P, W, R], params: P, op: Op, options: Options) -> None:
        self.done = False
        self._operation = operation
        self._params = params
        self._op = op
        self._options = options

    async def done_once(self, unit: Unit, key: str) -> R:
        """Do it, unless it is recorded."""
        try:
            recorded = await self._call(unit, key)
        except LibraryError as error:
            reraise(error)
        finally:
            record_durable_unit(executed=self.done)  # for the library's telemetry
        if self._op is Op.MODEL:
            return self._operation.result_codec.load(recorded["message"])
        value, used = parted(recorded)
        count(self._params, used)
        return self._operation.result_codec.load(value)

    def _call(self, unit: Unit, key: str) -> Call[Any]:
        retried = (RetriedLibraryError, *self._options.retry_on)
        defaults = self._options.changed(retry_on=retried, raises=(LibraryError,))
        return Call(Target(op=unit.op, name=unit.name, fn=self, defaults=defaults), (unit.asked,), {}).using(key=key)

    async def __call__(self, asked: Any) -> Any:
        self.done = True
        delegated = Delegated(self._params)
        with carrying(self._options.retry_on), durable_unit_scope():
            result = await self._operation.handler(delegated.params)
        value = dumped(self._operation, result)
        if self._op is Op.MODEL:
            return {"message": value, "usage": usage_of(result) if isinstance(result, ModelResponse) else None}
        return with_usage(value, delegated.used())


def _run_id(params: object) -> str | None:
    """The library's id of the run that an operation is of, where it says."""
    ctx = getattr(params, "run_context", None) or getattr(params, "ctx", None)
    return None if ctx is None else ctx.run_id


def _call_id(ctx: RunContext[Any]) -> str | None:
    return ctx.tool_call_id


def _name_of(of: DurableOperationId) -> str:
    match of:
        case CapabilityOperationId():
            return plain(f"{of.capability_id}.{of.operation}")
        case ModelCompactMessagesId():
            return "compact"
        case ModelCancelSuspendedResponseId():
            return "withdraw"
        case EventStreamHandlerId():
            return "event"
        case ToolsetGetToolsId():
            return plain(f"tools.{of.toolset_id}")
        case ToolsetGetInstructionsId():
            return plain(f"instructions.{of.toolset_id}")
        case _:  # the union grows in minor releases of the library
            return type(of).__name__.removesuffix("Id")


def _op_of(of: DurableOperationId) -> Op:
    return Op.MODEL if isinstance(of, ModelCompactMessagesId) else Op.STEP
