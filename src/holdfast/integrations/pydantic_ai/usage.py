"""What is used, by the library's own counts: by an answer of a model, and by what a tool has asked of models itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from pydantic import TypeAdapter
from pydantic_ai.durable_exec import DynamicToolsetCallToolParams, ToolsetCallToolParams
from pydantic_ai.messages import ModelResponse
from pydantic_ai.usage import RunUsage

from holdfast.records.usage import Usage

logger = logging.getLogger("holdfast.agent")

P = TypeVar("P")

_RUN_USAGE = TypeAdapter(RunUsage)


def usage_of(response: ModelResponse) -> dict[str, Any]:
    """The usage of an answer, as it is recorded beside it."""
    counted = response.usage
    return Usage(
        requests=1,
        input_tokens=counted.input_tokens,
        output_tokens=counted.output_tokens,
        cost=_cost(response),
        unmeasured_requests=counted.unmeasured_requests,
    ).as_json()


def _cost(response: ModelResponse) -> str | None:
    """Its price in USD, by the price list that comes with the library; None where that has none for it."""
    if not response.model_name or response.usage.unmeasured_requests:
        return None
    try:
        return str(response.cost().total_price)
    except LookupError:  # the list does not have the model
        return None
    except Exception as error:  # the answer is paid for: whatever is wrong with its counts must not fail the step
        logger.warning("an answer of model %s has no price: %s", response.model_name, error)
        return None


class Delegated(Generic[P]):
    """A call of a tool, with a usage of its own: agents that the tool runs with ``usage=ctx.usage`` count there.

    The body's is counted up by what is recorded, so it is the same live and replayed.

    Args:
        params: of any operation; those that call no tool are left as they are.
    """

    def __init__(self, params: P) -> None:
        self.params = params
        self._before = self._usage = RunUsage()
        if isinstance(params, (ToolsetCallToolParams, DynamicToolsetCallToolParams)):
            self._before, self._usage = copy(params.ctx.usage), copy(params.ctx.usage)
            self.params = cast(P, replace(params, ctx=replace(params.ctx, usage=self._usage)))

    def used(self) -> dict[str, Any] | None:
        """What was counted there, as it is recorded; None if nothing was."""
        if self._usage == self._before:
            return None
        used: dict[str, Any] = _RUN_USAGE.dump_python(self._usage - self._before, mode="json", exclude_defaults=True)
        return used


def count(params: object, used: Mapping[str, Any] | None) -> None:
    """Count what a call of a tool has recorded in the usage of the agent's run that made it."""
    if used and isinstance(params, (ToolsetCallToolParams, DynamicToolsetCallToolParams)):
        params.ctx.usage.incr(_RUN_USAGE.validate_python(dict(used)))
