"""A fingerprint and a preview of the arguments of plain steps, whatever they are.

Nothing here has to be read back, so nothing is refused: what JSON cannot say counts by its type. No address, no hash
seed and no order of a dict or set gets in, because a replay in another process must find the same fingerprint.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from json.encoder import encode_basestring
from pathlib import PurePath
from types import NoneType
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from holdfast.codec.arguments import plan_of
from holdfast.codec.text import clean, fingerprint, type_name

_PREVIEW = 200
_LONGEST_INT = 10_000  # bits; Python refuses to write longer ones in decimal
_TEXTUAL = (Decimal, UUID, date, time, timedelta, PurePath, complex)


def describe_arguments(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    skip: int = 0,
    as_text: Callable[[str], str] | None = None,
) -> tuple[bytes, str]:
    """A fingerprint (16 bytes) of a call's arguments, and a preview of at most 200 characters. Never raises.

    Clients, functions, open files and the like count by type only; so do secrets: pydantic's ``SecretStr`` shows its
    type, and fields declared with ``repr=False`` or ``exclude=True`` are left out of both.

    Example:
        >>> describe_arguments(print, ("hi",), {"file": None})[1]
        '{"args":["hi"],"file":null}'
    """
    named = _named(fn, args, kwargs, skip)
    try:
        text = _of_leaves(named) or _described(named)
    except _AbsentMetError:
        return b"", ""
    if as_text is not None:  # leaves out what is different wherever the run is
        text = as_text(text)
    preview = clean(text[:_PREVIEW])
    digest = fingerprint(text.encode("utf-8", "surrogatepass"))
    return digest, preview if len(text) <= _PREVIEW and len(preview) <= _PREVIEW else preview[: _PREVIEW - 1] + "…"


class Absent:
    """Stands for a value that is not at hand: a call that is given one has no fingerprint, and so fits any record."""

    __slots__ = ()


class _AbsentMetError(BaseException):
    """An absent value was met. No Exception, which would be taken for a foreign object's."""


def described(value: Any) -> str:
    """A value as canonical JSON text in which everything has a place. Never raises."""
    try:
        return _described(value)
    except _AbsentMetError:
        return "<not at hand>"


def _described(value: Any) -> str:
    try:
        return _dumps(value)
    except Exception:  # odd keys, cycles, depth, or a foreign property that raises
        return _dumps(_spelled(value, 0))


def _of_leaves(named: Mapping[str, Any]) -> str:
    """Plain arguments as the encoder below writes them, which takes 2 µs to set out; empty if one is not plain."""
    try:
        return "{" + ",".join([f'"{name}":{_LEAVES[type(named[name])](named[name])}' for name in sorted(named)]) + "}"
    except (KeyError, ValueError):  # another type, or an int of thousands of digits
        return ""


_LEAVES: dict[type, Callable[[Any], str]] = {
    str: encode_basestring,
    int: int.__repr__,
    bool: {True: "true", False: "false"}.__getitem__,
    NoneType: lambda _: "null",
}


def _named(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], skip: int) -> dict[str, Any]:
    try:
        return plan_of(fn, skip).bind(args, kwargs)
    except Exception:  # builtins have no signature; calls that do not fit fail when they are made, not here
        return {"args": list(args), **kwargs}


def _stand_in(value: Any) -> Any:
    """What stands for a value that ``json`` does not know."""
    if isinstance(value, Absent):
        raise _AbsentMetError
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, _TEXTUAL):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(map(_described, value))
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes {hashlib.blake2b(value, digest_size=8).hexdigest()}>"
    if isinstance(value, deque):
        return list(value)
    fields = _fields(value)
    return f"<{type_name(type(value))}>" if fields is None else fields


def _fields(value: Any) -> dict[str, Any] | None:
    if isinstance(value, BaseModel):
        shown = (name for name, field in type(value).model_fields.items() if field.repr and not field.exclude)
        return {name: getattr(value, name, None) for name in shown} | (value.__pydantic_extra__ or {})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value) if field.repr}
    return None


_dumps = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_stand_in).encode


def _spelled(value: Any, depth: int) -> Any:
    """The slow way, for what the C encoder refuses: dicts with odd keys as sorted pairs, cycles by type."""
    if depth > 50:
        return f"<{type_name(type(value))}>"
    if isinstance(value, dict):
        return sorted(([_described(key), _spelled(item, depth + 1)] for key, item in value.items()), key=_first)
    if isinstance(value, (list, tuple)):
        return [_spelled(item, depth + 1) for item in value]
    if isinstance(value, int) and value.bit_length() > _LONGEST_INT:
        return hex(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    return _spelled_object(value, depth)


def _spelled_object(value: Any, depth: int) -> Any:
    try:
        inner = _stand_in(value)
        return inner if isinstance(inner, str) else _spelled(inner, depth + 1)
    except Exception:
        return f"<{type_name(type(value))}>"


def _first(pair: list[Any]) -> Any:
    return pair[0]
