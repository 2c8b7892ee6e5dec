"""Usage: what models have been asked and have said, in tokens and money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What answers of models have used. It is recorded with each: ``{"message": …, "usage": {…}}``.

    Attributes:
        requests: how many answers are recorded.
        input_tokens: that the models have read, cached ones included.
        output_tokens: that they have written.
        cost: in USD, as text; None where the price of none is known.
        unpriced: how many of the answers have no known price.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: str | None = None
    unpriced: int = 0

    def as_json(self) -> dict[str, Any]:
        """As it is recorded, and shown."""
        return {
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": self.cost,
        }


def total(recorded: Iterable[object]) -> Usage:
    """The sum of what is recorded with answers; what is none counts for nothing.

    Example:
        >>> total([{"requests": 1, "input_tokens": 5, "output_tokens": 2, "cost": "0.01"}] * 2).cost
        '0.02'
    """
    each = [one for one in recorded if isinstance(one, Mapping)]
    prices = [price for one in each if (price := _price(one.get("cost"))) is not None]
    return Usage(
        requests=sum(_count(one.get("requests")) for one in each),
        input_tokens=sum(_count(one.get("input_tokens")) for one in each),
        output_tokens=sum(_count(one.get("output_tokens")) for one in each),
        cost=str(sum(prices, Decimal(0))) if prices else None,
        unpriced=len(each) - len(prices),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _price(value: object) -> Decimal | None:
    try:
        return Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
