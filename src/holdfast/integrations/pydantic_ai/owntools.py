"""Holdfast's own tools among those of an agent: they are called in the body, as themselves, and keep their rules."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from inspect import Parameter
from typing import Any

from pydantic_ai.durable_exec import ToolsetCallToolParams
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ModelRetry, ToolFailed
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets.function import FunctionToolsetTool

from holdfast.durable.calls import Call
from holdfast.durable.catalog import Tool

_SIGNALS = (ModelRetry, ToolFailed, ApprovalRequired, CallDeferred)  # what a tool raises to say something, not to fail


def own_tool(params: object) -> Tool[..., Any] | None:
    """The tool of Holdfast's that a call is for, if it is."""
    if not isinstance(params, ToolsetCallToolParams) or not isinstance(params.tool, FunctionToolsetTool):
        return None
    schema = getattr(params.tool.call_func, "__self__", None)
    function = getattr(schema, "function", None)
    return function if isinstance(function, Tool) else None


def called_as_itself(params: ToolsetCallToolParams, tool: Tool[..., Any], key: str) -> ToolsetCallToolParams:
    """The call, so that carrying it out in the body awaits the tool's own call, under a key."""
    options = tool.target.defaults

    async def call(arguments: dict[str, Any], ctx: RunContext[Any]) -> Any:
        retried = _failures(options.retry_on)
        made = call_with(tool, arguments)
        return await made.using(key=key, raises=(*options.raises, *_SIGNALS), retry_on=[retried])

    assert isinstance(params.tool, FunctionToolsetTool), "found by own_tool"
    return replace(params, tool=replace(params.tool, call_func=call))


def call_with(tool: Tool[..., Any], arguments: Mapping[str, Any]) -> Call[Any]:
    """The call of a tool with arguments by name, as models write them; those of ``*args`` are a list."""
    named = dict(arguments)
    parameters = list(inspect.signature(tool).parameters.values())
    spread = next((one.name for one in parameters if one.kind is one.VAR_POSITIONAL), "")
    more = named.pop(spread, None) or ()
    placed = {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD} if more else {Parameter.POSITIONAL_ONLY}
    args = [
        named.pop(one.name, one.default)
        for one in parameters
        if one.kind in placed and (one.name in named or one.default is not one.empty)
    ]
    return tool(*args, *more, **named)


class _FailuresMeta(type):
    _retried: tuple[type[Exception], ...] = ()

    def __instancecheck__(cls, error: object) -> bool:
        return isinstance(error, cls._retried) and not isinstance(error, _SIGNALS)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, cls._retried) and not issubclass(other, _SIGNALS)


@lru_cache(maxsize=256)
def _failures(retried: tuple[type[Exception], ...]) -> type[Exception]:
    """Stands in ``retry_on`` for these without the signals."""

    class Failures(Exception, metaclass=_FailuresMeta):
        _retried = retried

    return Failures
