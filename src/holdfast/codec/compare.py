"""Does what was decoded equal what was encoded: deeply, and type for type?"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel

from holdfast.codec.text import type_name

_MISSING = object()
_EXACT = frozenset({str, int, bool, bytes, type(None)})


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """Why a value does not survive, and where: ``path`` is the way from the value down to the culprit."""

    why: str
    path: str = ""

    def under(self, segment: str) -> Fault:
        """The same fault, seen from the container that holds the culprit under ``segment``."""
        return Fault(self.why, segment + self.path)


def segment_of(key: Any) -> str:
    """How a path names a key, index or field: ``.price``, ``[3]``, ``["two words"]``."""
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    if isinstance(key, (str, int)):
        text = ascii(key) if isinstance(key, int) else '"' + ascii(key)[1:-1][:60] + '"'
        return f"[{text}]"
    return f"[<{type_name(type(key))}>]"


def difference(before: Any, after: Any) -> Fault | None:
    """The first difference between a value and its decoded copy, or None.

    Stricter than ``==``: types count at every depth, and so do fields that ``==`` leaves out. Kinder where ``==``
    misleads: NaN equals NaN, an int may become the equal float (PEP 484 lets ``90`` pass for a ``float``), and
    the same instant at the same offset may carry another tzinfo class.
    """
    kind = type(before)
    if kind is not type(after):
        return None if kind is int and type(after) is float and before == after else _retyped(before, after)
    if kind in _EXACT:
        return None if before == after else Fault("it comes back different; its type or validators alter it")
    compare = _COMPARE.get(kind)
    if compare is None:
        compare = _COMPARE[kind] = _comparison_of(kind)
    return compare(before, after)


def _retyped(before: Any, after: Any) -> Fault:
    was, now = type(before), type(after)
    said = f"a {type_name(was)} comes back as {type_name(now)}"
    if issubclass(was, now) and (issubclass(now, BaseModel) or dataclasses.is_dataclass(now)):
        return Fault(f"{said} and loses its own fields; annotate with the subclass or a union")
    if was is tuple and now is list:
        return Fault(f"{said}; annotate it as tuple[...], or use a list")
    return Fault(f"{said}; annotate it as {was.__name__}, or convert it before")


def _dicts(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> Fault | None:
    for key, value in before.items():
        twin = after.get(key, _MISSING)
        if twin is _MISSING:
            return _lost_key(key, after).under(segment_of(key))
        if twin is not value and (fault := difference(value, twin)):
            return fault.under(segment_of(key))
        if type(key) is not str and (fault := _keys(key, after)):
            return fault.under(segment_of(key))
    return _added(before, after)


def _lost_key(key: Any, after: Mapping[Any, Any]) -> Fault:
    if type(key) is not str and any(type(other) is str for other in after):
        return Fault(
            f"a key of type {type_name(type(key))} comes back as str; annotate dict[{type(key).__name__}, ...]"
        )
    return Fault("it is lost; add this key to the annotated type, or leave it out")


def _keys(key: Any, after: Mapping[Any, Any]) -> Fault | None:
    # 1, True and 1.0 find each other in a dict, so the twin's own key has to be looked at.
    return difference(key, next(other for other in after if other == key))


def _added(before: Any, after: Any) -> Fault | None:
    if len(before) == len(after):
        return None
    return Fault("keys are added when it is read back; give them when the value is made")


def _sequences(before: Iterable[Any], after: Iterable[Any]) -> Fault | None:
    befores, afters = list(before), list(after)
    if len(befores) != len(afters):
        return Fault(f"{len(befores)} items come back as {len(afters)}")
    for index, value in enumerate(befores):
        twin = afters[index]
        if twin is not value and (fault := difference(value, twin)):
            return fault.under(f"[{index}]")
    return None


def _sets(before: AbstractSet[Any], after: AbstractSet[Any]) -> Fault | None:
    twins = {item: item for item in after}
    if len(before) != len(twins):
        return Fault(f"a set of {len(before)} items comes back with {len(twins)}")
    for item in before:
        if item not in twins:
            return Fault(f"an item of type {type_name(type(item))} comes back different")
        if fault := difference(item, twins[item]):
            return Fault(fault.why)
    return None


def _floats(before: float, after: float) -> Fault | None:
    return (
        None if before == after or (before != before and after != after) else Fault("the number comes back different")
    )


def _decimals(before: Decimal, after: Decimal) -> Fault | None:
    # By digits: ``==`` would raise on a signalling NaN and take 1.0 for 1.00.
    return None if before.as_tuple() == after.as_tuple() else Fault("the decimal comes back different")


def _clocks(before: Any, after: Any) -> Fault | None:
    # Not ``==``: between two tzinfo objects it is always False in the hour that a clock change repeats.
    same = before.replace(tzinfo=None) == after.replace(tzinfo=None) and before.utcoffset() == after.utcoffset()
    return None if same else Fault("the time comes back different")


def _models(before: BaseModel, after: BaseModel) -> Fault | None:
    # fields_set is not compared: every field is stored, so that a new default cannot alter what was recorded.
    for name, field in type(before).model_fields.items():
        if fault := difference(getattr(before, name, None), getattr(after, name, None)):
            return _excluded(name) if field.exclude else fault.under(segment_of(name))
    for mine, theirs in (
        (before.__pydantic_extra__, after.__pydantic_extra__),
        (before.__pydantic_private__, after.__pydantic_private__),
    ):
        if fault := difference(mine, theirs):
            return fault
    return None


def _excluded(name: str) -> Fault:
    return Fault("the field is excluded from serialization; drop exclude=True", segment_of(name))


def _dataclasses(before: Any, after: Any) -> Fault | None:
    return _attributes(before, after, [field.name for field in dataclasses.fields(before)])


def _attributes(before: Any, after: Any, names: Iterable[str]) -> Fault | None:
    for name in names:
        if fault := difference(getattr(before, name, _MISSING), getattr(after, name, _MISSING)):
            return fault.under(segment_of(name))
    return None


def _objects(before: Any, after: Any) -> Fault | None:
    # Without an ``__eq__`` of their own two copies are never equal; what they hold can be.
    slots = (name for cls in type(before).__mro__ for name in getattr(cls, "__slots__", ()))
    return _attributes(before, after, {**getattr(before, "__dict__", {}), **dict.fromkeys(slots)})


def _equals(before: Any, after: Any) -> Fault | None:
    return None if before == after else Fault(f"the {type_name(type(before))} comes back different")


def _comparison_of(kind: type) -> Callable[[Any, Any], Fault | None]:
    if issubclass(kind, BaseModel):
        return _models
    if dataclasses.is_dataclass(kind):
        return _dataclasses
    for base, compare in _BASES.items():
        if issubclass(kind, base):
            return compare
    return _objects if kind.__eq__ is object.__eq__ else _equals


_BASES: dict[type, Callable[[Any, Any], Fault | None]] = {
    dict: _dicts,
    list: _sequences,
    tuple: _sequences,
    deque: _sequences,
    set: _sets,
    frozenset: _sets,
    float: _floats,
    Decimal: _decimals,
    datetime: _clocks,
    time: _clocks,
    Enum: _equals,
}
_COMPARE: dict[type, Callable[[Any, Any], Fault | None]] = dict(_BASES)
