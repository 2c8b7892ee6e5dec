"""Results of tools: what JSON would silently make something else of is refused, with the path to it."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_ai.durable_exec import DurableOperation

from holdfast.errors import NotStorable

P = TypeVar("P")
W = TypeVar("W")
R = TypeVar("R")

_DEEPEST = 100  # what is nested deeper, JSON refuses itself


def dumped(operation: DurableOperation[P, W, R], result: R) -> object:
    """The result of an operation as JSON values.

    Raises:
        NotStorable: it holds a NaN, an infinity, or a key that is no text.
    """
    if (fault := _fault(getattr(result, "result", None), "$", 0)) is not None:
        raise NotStorable(f"what it returned cannot be recorded: {fault}")
    with warnings.catch_warnings():
        # Trying one type of result after the other, pydantic warns of each that it is not.
        warnings.filterwarnings("ignore", "Pydantic serializer warnings", UserWarning)
        return operation.result_codec.dump(result)


def _fault(value: object, path: str, depth: int) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{path}: JSON has no {value}; return None or a text"
    if depth == _DEEPEST:
        return None
    if isinstance(value, Mapping) and (odd := [key for key in value if not isinstance(key, str)]):
        return f"{path}: the key {odd[0]!r} is no text, and would come back as one; return text for keys, or a list"
    found = (_fault(child, f"{path}{name}", depth + 1) for name, child in _children(value))
    return next((fault for fault in found if fault is not None), None)


def _children(value: object) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f".{key}", child) for key, child in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{at}]", child) for at, child in enumerate(value))
    elif isinstance(value, BaseModel):
        yield from ((f".{name}", child) for name, child in value.__dict__.items() if isinstance(child, float))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((f".{field.name}", getattr(value, field.name, None)) for field in dataclasses.fields(value))
