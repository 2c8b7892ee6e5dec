"""Stand-ins for tools, and a record of what was called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from holdfast import codec
from holdfast.durable.calls import Call
from holdfast.durable.catalog import Catalog, Tool, ToolContext, takes
from holdfast.errors import BadOption


class RecordedCall(Call[Any]):
    """A call that was executed; equal to any call of the same tool with the same arguments."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Call):
            return NotImplemented
        return self.target.name == other.target.name and _values(self) == _values(other)

    __hash__ = None  # type: ignore[assignment]  # compared by value


class Standins:
    """What the tools of a rig do, and what they were called with.

    Attributes:
        functions: what to run instead of each tool's own function, by its name.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._calls: dict[str, list[RecordedCall]] = {name: [] for name in catalog.tools}
        self.functions: dict[str, Callable[..., Any]] = {
            name: self._recording(tool, tool.fn) for name, tool in catalog.tools.items()
        }

    def replace(self, tool: Tool[Any, Any], fn: Callable[..., Any]) -> None:
        """Run ``fn`` instead of a tool's function.

        Raises:
            BadOption: its parameters are not the tool's (a leading context may be left out).
        """
        wanted, given = _parameters(tool.fn), _parameters(fn)
        if wanted != given:
            raise BadOption(
                f"the stand-in for tool {tool.name} takes ({', '.join(given)}); the tool takes ({', '.join(wanted)})"
            )
        self.functions[tool.name] = self._recording(tool, fn)

    def calls(self, tool: Tool[Any, Any]) -> list[RecordedCall]:
        """What a tool was executed with, in order."""
        return list(self._calls[tool.name])

    def _recording(self, tool: Tool[Any, Any], fn: Callable[..., Any]) -> Callable[..., Any]:
        skipped = int(takes(fn, ToolContext))

        def note(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._calls[tool.name].append(RecordedCall(tool.target, args[skipped:], kwargs))

        if inspect.iscoroutinefunction(fn):

            @functools.wraps(fn)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                note(args, kwargs)
                return await fn(*args, **kwargs)

            return run_async

        @functools.wraps(fn)
        def run(*args: Any, **kwargs: Any) -> Any:
            note(args, kwargs)
            return fn(*args, **kwargs)

        return run


def _values(call: Call[Any]) -> Any:
    return codec.unpack_arguments(call.target.fn, call.packed_arguments(), skip=call.target.injected)


def _parameters(fn: Callable[..., Any]) -> list[str]:
    parameters = list(inspect.signature(fn).parameters.values())[int(takes(fn, ToolContext)) :]
    return [str(parameter.replace(annotation=inspect.Parameter.empty)) for parameter in parameters]
