"""Usage: what models have been asked and have said, in tokens and money."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from holdfast.records.journal import Op

_VALUE, _USAGE = "~value", "~usage"


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What answers of models have used. It is recorded with each: ``{"message": …, "usage": {…}}``.

    Attributes:
        requests: how many answers are recorded.
        input_tokens: that the models have read, cached ones included.
        output_tokens: that they have written.
        cost: in USD, as text; None where the price of none is known.
        unpriced: how many of the answers have no known price.
        unmeasured_requests: how many came without a word on what they used: the sums are too low by these.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: str | None = None
    unpriced: int = 0
    unmeasured_requests: int = 0

    def as_json(self) -> dict[str, Any]:
        """As it is recorded, and shown."""
        return {
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": self.cost,
            "unmeasured_requests": self.unmeasured_requests,
        }


def total(recorded: Iterable[object]) -> Usage:
    """The sum of what is recorded; what is none counts for nothing.

    Example:
        >>> total([{"requests": 1, "input_tokens": 5, "output_tokens": 2, "cost": "0.01"}] * 2).cost
        '0.02'
    """
    each = [one for one in recorded if isinstance(one, Mapping)]
    prices = [(_price(one.get("cost")), _count(one, "requests")) for one in each]
    known = [price for price, _ in prices if price is not None]
    return Usage(
        requests=sum(_count(one, "requests") for one in each),
        input_tokens=sum(_count(one, "input_tokens") for one in each),
        output_tokens=sum(_count(one, "output_tokens") for one in each),
        cost=str(sum(known, Decimal(0))) if known else None,
        unpriced=sum(requests for price, requests in prices if price is None),
        unmeasured_requests=sum(_count(one, "unmeasured_requests") for one in each),
    )


def with_usage(value: object, used: Mapping[str, Any] | None) -> object:
    """What a step that is no request of a model records, if models were asked in it: its value, and what they used."""
    return {_VALUE: value, _USAGE: used} if used else value


def parted(recorded: Any) -> tuple[Any, Mapping[str, Any] | None]:
    """The value and the usage of such a record.

    Example:
        >>> parted(with_usage("an answer", {"requests": 2})), parted(with_usage("an answer", None))
        (('an answer', {'requests': 2}), ('an answer', None))
    """
    if isinstance(recorded, dict) and recorded.keys() == {_VALUE, _USAGE}:
        return recorded[_VALUE], recorded[_USAGE]
    return recorded, None


def usage_in(op: Op, recorded: bytes) -> object:
    """The usage that is recorded with the outcome of a step, as JSON; None if none is."""
    if op is Op.MODEL:
        answer = json.loads(recorded)
        return answer.get("usage") if isinstance(answer, dict) else None
    if op is Op.STEP and f'"{_USAGE}"'.encode() in recorded:  # most have none: not parsed for nothing
        return parted(json.loads(recorded))[1]
    return None


def _count(used: Mapping[str, Any], name: str) -> int:
    value = used.get(name)
    return value if isinstance(value, int) else 0


def _price(value: object) -> Decimal | None:
    try:
        return Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
