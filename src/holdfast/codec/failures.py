"""Exceptions as records: what the body sees is the same live and replayed, and nothing is ever unpickled."""

from __future__ import annotations

import dataclasses
import json
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from holdfast.codec.compare import difference
from holdfast.codec.envelope import pack, unpack
from holdfast.codec.shape import shape_of
from holdfast.codec.text import canonical, clean, type_name
from holdfast.errors import StoreUnusable

_DATA = (
    str,
    bytes,
    bytearray,
    int,
    float,
    complex,
    Decimal,
    UUID,
    date,
    time,
    timedelta,
    PurePath,
    Enum,
    type,
    BaseModel,
)
_WHOLES = (BaseException, list, tuple, set, frozenset, Mapping)
_MOST_PARTS = 1000  # of an exception's arguments that are looked at
_LONGEST = 8192  # characters of a message or traceback: an HTML error page is not worth a megabyte per retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """How something failed.

    Attributes:
        type_name: the module-qualified name of the exception, without ``builtins.``.
        message: ``str(exc)``, at most 8,192 characters; free of NUL and lone surrogates.
        traceback_text: the last 8,192 characters of the traceback, likewise.
        args: the arguments of the exception, if they and ``state`` are JSON values: what :func:`rebuild` needs.
        state: the exception's own attributes.
    """

    type_name: str
    message: str
    traceback_text: str = ""
    args: tuple[Any, ...] | None = None
    state: Mapping[str, Any] | None = None

    def pack(self) -> bytes:
        """The record as bytes for the store; :meth:`unpack` reads it."""
        return pack(canonical(asdict(self)))

    @classmethod
    def unpack(cls, data: bytes) -> Failed:
        """The record that was packed.

        Raises:
            StoreUnusable: the bytes are no such record.

        Example:
            >>> Failed.unpack(pack_failure("httpx.ReadTimeout", "no answer")).message
            'no answer'
        """
        try:
            fields = json.loads(unpack(data))
            args = fields.pop("args")
            return cls(**fields, args=None if args is None else tuple(args))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreUnusable("a stored failure cannot be read: damaged, or of a newer Holdfast") from error


def pack_failure(type_name: str, message: str, traceback_text: str = "") -> bytes:
    """A failure without an exception, packed: one that a person or another system reports."""
    failed = Failed(type_name=clean(type_name), message=_head(message), traceback_text=_tail(traceback_text))
    return failed.pack()


def failure_of(exc: BaseException) -> Failed:
    """The record of an exception. Never raises, however odd the exception.

    Clients and the like among its arguments are named by their type: their ``repr`` may hold a secret.

    Example:
        >>> failed = failure_of(KeyError("claim"))
        >>> failed.type_name, failed.message, failed.args
        ('KeyError', "'claim'", ('claim',))
    """
    args, state = _ingredients(exc)
    veil = _veil(exc)
    return Failed(
        type_name=clean(type_name(type(exc))),
        message=_head(_veiled(_message(exc), veil)),
        traceback_text=_tail(_veiled(_traceback(exc), veil)),
        args=args,
        state=state,
    )


def rebuild(failed: Failed, classes: Iterable[type[Exception]]) -> Exception | None:
    """The exception itself, if its class is one of ``classes`` or below one, and comes out as it was.

    It is made by calling ``cls(*args)`` and setting its attributes, and discarded (None) when its arguments or its
    message then differ from what was recorded.

    Example:
        >>> rebuild(failure_of(KeyError("claim")), [LookupError])
        KeyError('claim')
        >>> rebuild(failure_of(KeyError("claim")), [OSError]) is None
        True
    """
    if failed.args is None:
        return None
    for cls in _family(classes):
        if clean(type_name(cls)) == failed.type_name and (made := _made(cls, failed)) is not None:
            return made
    return None


def _made(cls: type[Exception], failed: Failed) -> Exception | None:
    try:
        made = cls(*(failed.args or ()))
        vars(made).update(failed.state or {})
        same = type(made) is cls and difference(failed.args, made.args) is None
    except Exception:  # constructors are user code
        return None
    return made if same and _head(_message(made)) == failed.message else None


def _family(classes: Iterable[type[Exception]]) -> Iterator[type[Exception]]:
    seen: set[type[Exception]] = set()
    todo = list(classes)
    while todo:
        cls = todo.pop()
        if cls not in seen:
            seen.add(cls)
            todo.extend(type.__subclasses__(cls))
            yield cls


def _ingredients(exc: BaseException) -> tuple[tuple[Any, ...] | None, Mapping[str, Any] | None]:
    try:
        data, args = shape_of(Any).settle(list(exc.args))
        more, state = shape_of(Any).settle(dict(vars(exc)))
    except Exception:  # NotStorable mostly; but attributes are user code
        return None, None
    return (tuple(args), state) if len(data) + len(more) <= 4 * _LONGEST else (None, None)


def _veil(exc: BaseException) -> dict[str, str]:
    """What foreign objects among the arguments of an exception, and of those behind it, say of themselves; by type."""
    veil: dict[str, str] = {}
    todo: list[Any] = [exc]
    seen: set[int] = set()
    while todo and len(seen) < _MOST_PARTS:
        part = todo.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        try:
            todo += _parts(part)
            if not isinstance(part, (*_DATA, *_WHOLES)) and not dataclasses.is_dataclass(part):
                veil |= dict.fromkeys(_sayings(part), f"<{type_name(type(part))}>")
        except Exception:  # attributes, iteration and even isinstance() of foreign objects may raise
            continue
    return veil


def _parts(whole: Any) -> list[Any]:
    if isinstance(whole, BaseException):
        return [*whole.args, whole.__cause__, whole.__context__]
    if isinstance(whole, (list, tuple, set, frozenset)):
        return list(whole)
    return list(whole.values()) if isinstance(whole, Mapping) else []


def _sayings(part: Any) -> Iterator[str]:
    for say in (repr, str):
        try:
            said = say(part)
        except Exception:  # then nobody else has heard it either
            continue
        if len(said) > 3:  # shorter is no secret, and may be part of any word
            yield said


def _veiled(text: str, veil: Mapping[str, str]) -> str:
    for said in sorted(veil, key=len, reverse=True):
        text = text.replace(said, veil[said])
    return text


def _message(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:
        return f"<{type_name(type(exc))} whose message cannot be shown>"


def _traceback(exc: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(exc))
    except Exception:  # a broken __cause__, __notes__ or __str__
        return ""


def _head(text: str) -> str:
    text = clean(text[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _tail(text: str) -> str:
    text = clean(text[-_LONGEST - 1 :])
    return text if len(text) <= _LONGEST else "…" + text[1 - _LONGEST :]
