"""Calls of agents with arguments that came as JSON: from a command line, or over HTTP."""

from __future__ import annotations

import inspect
from typing import Any

from holdfast.codec import canonical
from holdfast.codec.arguments import Plan, plan_of
from holdfast.durable.calls import Call
from holdfast.durable.catalog import Agent
from holdfast.errors import NotStorable, UsageError


def call_given(agent: Agent[Any, Any], given: dict[str, Any] | list[Any]) -> Call[Any]:
    """A call of an agent.

    Args:
        agent: of which.
        given: its arguments as JSON values, by name or by position.

    Raises:
        UsageError: they do not fit the agent's signature; the message names the argument.
    """
    plan = plan_of(agent.fn, 1)
    raw = plan.bind((), given) if isinstance(given, dict) else plan.bind(tuple(given), {})
    typed = {name: _typed(plan, name, value) for name, value in raw.items()}
    bound = inspect.BoundArguments(plan.signature, typed)
    return agent(*bound.args, **bound.kwargs)


def _typed(plan: Plan, name: str, value: Any) -> Any:
    try:
        return plan.shape(name).decode(canonical(value))
    except NotStorable as error:
        said = str(error).removeprefix("$").replace("it does not come back; ", "")  # it has not been anywhere yet
        raise UsageError(f"argument {name}{said}") from error
