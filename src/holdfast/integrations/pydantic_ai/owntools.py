"""Holdfast's own tools among those of an agent: they are called in the body, as themselves, and keep their rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic_ai.durable_exec import ToolsetCallToolParams
from pydantic_ai.exceptions import ModelRetry, ToolFailed
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets.function import FunctionToolsetTool

from holdfast.durable.catalog import Tool

_SIGNALS = (ModelRetry, ToolFailed)  # what a tool raises to tell the model something


def own_tool(params: object) -> Tool[..., Any] | None:
    """The tool of Holdfast's that a call is for, if it is."""
    if not isinstance(params, ToolsetCallToolParams) or not isinstance(params.tool, FunctionToolsetTool):
        return None
    schema = getattr(params.tool.call_func, "__self__", None)
    function = getattr(schema, "function", None)
    return function if isinstance(function, Tool) else None


def called_as_itself(params: ToolsetCallToolParams, tool: Tool[..., Any], key: str) -> ToolsetCallToolParams:
    """The call, so that carrying it out in the body awaits the tool's own call, under a key."""

    async def call(arguments: dict[str, Any], ctx: RunContext[Any]) -> Any:
        return await tool(**arguments).using(key=key, raises=(*tool.target.defaults.raises, *_SIGNALS))

    assert isinstance(params.tool, FunctionToolsetTool), "found by own_tool"
    return replace(params, tool=replace(params.tool, call_func=call))
