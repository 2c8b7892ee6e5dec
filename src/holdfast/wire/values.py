"""Bytes, times and hashes as JSON, and back exactly.

Bytes that a record holds are written so that a person can read them and a diff is small: ``field`` holds them as JSON
if that comes back byte for byte, else ``field_text`` as text, else ``field_base64``. Compression and encryption are of
the store: they are undone here, and done again when a line is read.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, overload

from holdfast import codec
from holdfast.clock import from_datetime, to_datetime

Line = dict[str, Any]
Write = Callable[[Any], bytes]

_NESTED = 16  # a value lies deeper in its line than by itself: one that only just can be nested so deep is text

# -- bytes


def put_packed(line: Line, field: str, value: bytes | None) -> None:
    """Write a packed value under a field; nothing if there is none."""
    if value:
        put(line, field, codec.unpack(value))


def _tightly(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def loosely(value: Any) -> bytes:
    """JSON with blanks, as values that are not packed are written."""
    return json.dumps(value, allow_nan=False).encode()


def put(line: Line, field: str, data: bytes, write: Write = _tightly) -> None:
    """Write bytes under a field."""
    try:
        line[field] = _exactly(data, write)
        return
    except (ValueError, RecursionError):  # no JSON, or not the one way of writing it
        pass
    try:
        line[f"{field}_text"] = data.decode()
    except UnicodeDecodeError:
        line[f"{field}_base64"] = base64.b64encode(data).decode()


def _exactly(data: bytes, write: Write) -> Any:
    """The JSON value of bytes that would be written as they are.

    Raises:
        ValueError, RecursionError: there is none.
    """
    nested = b"[" * _NESTED + data + b"]" * _NESTED
    if write(json.loads(nested)) != nested:
        raise ValueError("written in another way")
    return json.loads(data)


def taken(line: Mapping[str, Any], field: str, write: Write = _tightly) -> bytes | None:
    """The bytes that :func:`put` put; None if it put none."""
    if field in line:
        return write(line[field])
    if (text := line.get(f"{field}_text")) is not None:
        return bytes(text.encode())
    if (encoded := line.get(f"{field}_base64")) is not None:
        return base64.b64decode(encoded, validate=True)
    return None


def packed(line: Mapping[str, Any], field: str) -> bytes:
    """The value that :func:`put_packed` wrote, packed anew; empty if it wrote none."""
    data = taken(line, field)
    return b"" if data is None else codec.pack(data)


# -- times and hashes


@overload
def iso(at: int) -> str: ...
@overload
def iso(at: int | None) -> str | None: ...
def iso(at: int | None) -> str | None:
    """A time as ISO 8601, in UTC, to the microsecond."""
    return None if at is None else to_datetime(at).isoformat(timespec="microseconds").replace("+00:00", "Z")


@overload
def micros_of(text: str) -> int: ...
@overload
def micros_of(text: str | None) -> int | None: ...
def micros_of(text: str | None) -> int | None:
    """The time that :func:`iso` wrote.

    Raises:
        ValueError, BadOption: it is no time, or has no zone.
    """
    return None if text is None else from_datetime(datetime.fromisoformat(text))


def hex_of(number: int) -> str:
    """A 64-bit hash in hexadecimal digits."""
    return number.to_bytes(8, "big", signed=True).hex()


def hash_of(text: str) -> int:
    """A 64-bit hash that was written as hexadecimal digits.

    Raises:
        ValueError: it was not.
    """
    data = bytes.fromhex(text)
    if len(data) != 8:
        raise ValueError(f"{text!r} is no hash of 64 bits")
    return int.from_bytes(data, "big", signed=True)


def maybe_hash(text: str | None) -> int | None:
    """The same, where there may be none."""
    return None if text is None else hash_of(text)
