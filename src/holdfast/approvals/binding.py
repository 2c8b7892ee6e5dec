"""Binding: the digest that ties a decision to one run, one call of it, and its final arguments (DESIGN §5.2).

It is SHA-256 over canonical JSON (RFC 8785, JSON Canonicalization Scheme) of the approval's id, the run's, the key of
the journal entries, and the action. RFC 8785 knows only what a double-precision float can hold; what it does not (whole
numbers beyond 2^53, infinities, NaN) is written as text behind a NUL, as is text that begins with one, so that no two
values are written alike.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import rfc8785

from holdfast.errors import NotStorable

_EXACT = 2**53 - 1


def digest_of(approval_id: str, run_id: str, key: str, action: Any) -> str:
    """The digest of an action that a run asks about, in hexadecimal.

    Raises:
        NotStorable: the action is no JSON value, or is nested too deeply.

    Example:
        >>> digest_of("a", "r", "~approve:pay#1", {"tool": "pay", "arguments": {"n": 2**64}})[:8]
        '0c0cf78e'
    """
    bound = {"approval": approval_id, "run": run_id, "key": key, "action": action}
    try:
        return hashlib.sha256(rfc8785.dumps(_exact(bound))).hexdigest()
    except (rfc8785.CanonicalizationError, RecursionError, TypeError) as error:
        raise NotStorable(f"what is to be decided cannot be bound: {type(error).__name__}: {error}") from error


def _exact(value: Any) -> Any:
    """The value with what RFC 8785 cannot write as text behind a NUL."""
    if isinstance(value, dict):
        return {_exact(name): _exact(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(member) for member in value]
    if isinstance(value, str):
        return f"\0t{value}" if value.startswith("\0") else value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else f"\0i{value:x}"
    if isinstance(value, float):
        return value if math.isfinite(value) else f"\0f{value}"
    raise TypeError(f"a {type(value).__name__} is no JSON value")
