"""What an answer of a model has used, by the library's own counts."""

from __future__ import annotations

from typing import Any

from pydantic_ai.messages import ModelResponse

from holdfast.records.usage import Usage


def usage_of(response: ModelResponse) -> dict[str, Any]:
    """The usage of an answer, as it is recorded beside it."""
    counted = response.usage
    return Usage(
        requests=1,
        input_tokens=counted.input_tokens,
        output_tokens=counted.output_tokens,
        cost=_cost(response),
    ).as_json()


def _cost(response: ModelResponse) -> str | None:
    """Its price in USD, by the price list that comes with the library; None where that does not have the model."""
    if not response.model_name:
        return None
    try:
        return str(response.cost().total_price)
    except LookupError:
        return None
