"""A shape is an annotation that can write values as JSON and read them back, equal type for type.

The body of an agent never sees a value as it was computed, only ``decode(encode(value))``; so live and replayed
values are the same by construction, and :meth:`Shape.settle` makes sure that nothing was lost on the way.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from inspect import Parameter
from types import NoneType, UnionType
from typing import Any, Generic, Never, NoReturn, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema, to_json

from holdfast.codec.compare import Fault, difference, segment_of
from holdfast.codec.text import canonical, type_name
from holdfast.codec.tuning import serializer_of, tuned_schema, validator_of
from holdfast.errors import NotStorable

T = TypeVar("T")
_LEAVES: frozenset[type] = frozenset({str, bool, NoneType, int, float})
_SHAPES = 4096  # annotations remembered; a program has hundreds, `.using(returns=list[X])` may make one per call


class Shape(Generic[T]):
    """Writes and reads the values of one annotation. Get one with :func:`shape_of`; safe to share between threads.

    Example:
        >>> shape_of(dict[str, set[int]]).settle({"a": {2, 1}})
        (b'{"a":[1,2]}', {'a': {1, 2}})
    """

    __slots__ = ("_described", "_plain", "_schema", "_to_json", "_validate", "annotation")

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        self._schema = _schema_of(annotation)
        self._plain = _plain_types(annotation)
        self._described: bytes | None = None  # its JSON Schema, once it was asked for
        self._to_json: Callable[..., bytes] = serializer_of(self._schema).to_json
        self._validate: Callable[..., T] = validator_of(self._schema).validate_json

    def __repr__(self) -> str:
        return f"Shape({_spelled(self.annotation)})"

    def encode(self, value: T) -> bytes:
        """The value as JSON.

        Raises:
            NotStorable: it cannot be written; the message names the path inside it.
        """
        try:
            return self._to_json(value, by_alias=False, round_trip=True, warnings=False)
        except Exception as error:  # serializers are user code too
            raise _refusal(self, _unwritable(value, error)) from error

    def decode(self, data: bytes) -> T:
        """The value that was written as ``data``.

        Raises:
            NotStorable: the data does not fit the annotation; the message names the path inside it.
        """
        try:
            return self._validate(data, by_alias=False, by_name=True)
        except ValidationError as error:
            # Not chained: its text quotes the input, and tracebacks end up in the journal.
            raise _refusal(self, _unreadable(data, error)) from None
        except Exception as error:  # validators are user code too
            said = f"a validator raised {type_name(type(error))} when it was read back"
            raise _refusal(self, Fault(said)) from error

    def settle(self, value: T) -> tuple[bytes, T]:
        """The value as JSON, and as it will be read back: what live code has to go on with.

        Raises:
            NotStorable: what would be read back differs from the value, in content or in type, at any depth;
                the message names the path, such as ``$.items[3].price``, and what to do.
        """
        if type(value) in self._plain and (data := _leaf(value)) is not None:
            return data, value
        data = self.encode(value)
        decoded = self.decode(data)
        try:
            fault = difference(value, decoded)
        except Exception as error:  # an ``__eq__`` may do anything, and nesting may be too deep
            fault = Fault(f"it cannot be compared with its copy ({type_name(type(error))})")
        if fault is not None:
            raise _refusal(self, fault)
        return data, decoded

    def schema(self) -> bytes:
        """The JSON Schema of the values, canonical; what a promise's resolver is held to.

        Raises:
            NotStorable: the annotation has no JSON Schema.
        """
        if self._described is not None:
            return self._described
        try:
            schema = GenerateJsonSchema(by_alias=False).generate(self._schema, mode="validation")
            self._described = canonical(schema)
            return self._described
        except PydanticUserError as error:
            raise NotStorable(f"{_spelled(self.annotation)} has no JSON Schema: {_first_line(error)}") from error


def schema_of_members(members: Mapping[str, Shape[Any]], required: Sequence[str], *, more: bool = False) -> bytes:
    """The JSON Schema, canonical, of an object with these members; ``more`` admits others.

    Raises:
        NotStorable: one of them has no JSON Schema.
    """
    writer = GenerateJsonSchema(by_alias=False)
    try:
        schemas, definitions = writer.generate_definitions(
            [(name, "validation", shape._schema) for name, shape in members.items()]
        )
    except PydanticUserError as error:
        raise NotStorable(f"the arguments have no JSON Schema: {_first_line(error)}") from error
    schema: dict[str, Any] = {
        "type": "object", "properties": {name: schemas[name, "validation"] for name in members},
        "required": list(required), "additionalProperties": more,
    }  # fmt: skip
    return canonical(schema | ({"$defs": definitions} if definitions else {}))


_recent: dict[int, tuple[Any, Shape[Any]]] = {}


def shape_of(annotation: Any) -> Shape[Any]:
    """The shape of an annotation; remembered, so asking again costs next to nothing.

    ``Any``, ``object`` and no annotation (``inspect.Parameter.empty``) admit JSON values only.

    Raises:
        NotStorable: values of this annotation cannot be stored.
    """
    # By identity first: hashing an annotation costs more than encoding a small value. The entry keeps it alive.
    found = _recent.get(id(annotation))
    if found is not None and found[0] is annotation:
        return found[1]
    if len(_recent) >= _SHAPES:
        _recent.clear()
    shape = _shape_of(annotation)
    _recent[id(annotation)] = (annotation, shape)
    return shape


def _shape_of(annotation: Any) -> Shape[Any]:
    if annotation in (Parameter.empty, NoReturn, Never):  # nothing ever comes of the latter two
        return shape_of(Any)
    try:
        hash(annotation)
    except TypeError:  # Annotated[...] with unhashable metadata
        return Shape(annotation)
    return _made(annotation, repr(annotation))


@lru_cache(maxsize=_SHAPES)
def _made(annotation: Any, _spelling: str) -> Shape[Any]:
    # ``A | B == B | A``, yet a value that fits both decodes to the first: the spelling keeps them apart.
    return Shape(annotation)


def _schema_of(annotation: Any) -> CoreSchema:
    try:
        return tuned_schema(annotation)
    except (PydanticUserError, NameError) as error:
        advice = "use a pydantic model, dataclass, TypedDict or built-in type, or return its id"
        raise NotStorable(f"{_spelled(annotation)} cannot be stored: {_first_line(error)}; {advice}") from error


def _plain_types(annotation: Any) -> frozenset[type]:
    """The exact types whose values need no pydantic under this annotation."""
    if annotation in (Any, object):
        return _LEAVES
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    kinds = frozenset(kind for kind in _LEAVES if kind in members or (kind is NoneType and None in members))
    return kinds if len(kinds) == len(members) else frozenset()


def _leaf(value: Any) -> bytes | None:
    try:
        return _write_leaf(value).encode()
    except ValueError:  # a lone surrogate, or an int of thousands of digits: the long way finds the words
        return None


_write_leaf = json.JSONEncoder(ensure_ascii=False).encode


def _refusal(shape: Shape[Any], fault: Fault) -> NotStorable:
    return NotStorable(f"${fault.path}: {fault.why} (stored as {_spelled(shape.annotation)})")


def _spelled(annotation: Any) -> str:
    return type_name(annotation) if type(annotation) is type else repr(annotation).replace("typing.", "")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _unwritable(value: Any, error: Exception) -> Fault:
    try:
        return _culprit(value, 0) or Fault(f"it cannot be written as JSON: {_first_line(error)}")
    except Exception:  # properties and iteration of a foreign object may raise
        return Fault(f"it cannot be written as JSON: {_first_line(error)}")


def _culprit(value: Any, depth: int) -> Fault | None:
    """The first value, going down, that JSON cannot hold."""
    if depth > 200:
        return Fault("it is nested too deeply or contains itself")
    for key, child in _children(value):
        if isinstance(key, str) and not _is_unicode(key):
            return Fault("the key holds a lone surrogate, which is not UTF-8", segment_of(key))
        if fault := _culprit(child, depth + 1):
            return fault.under(segment_of(key))
    if isinstance(value, str):
        return None if _is_unicode(value) else Fault("the text holds a lone surrogate, which is not UTF-8")
    return _opaque(value)


def _opaque(value: Any) -> Fault | None:
    if isinstance(value, (dict, list, tuple, set, frozenset, BaseModel, int, float, bytes)):
        return None
    try:
        to_json(value, inf_nan_mode="constants")
    except Exception:
        return Fault(f"a {type_name(type(value))} cannot be written as JSON; store an id or plain data instead")
    return None


def _children(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from enumerate(value)
    elif isinstance(value, BaseModel):
        yield from value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unreadable(data: bytes, error: ValidationError) -> Fault:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    why = "it does not come back; " + (_MISSING if first["type"] == "missing" else first["msg"])
    return Fault(why, _path_in(data, first["loc"]))


_MISSING = "the field was not written (drop exclude=True, or give it a default)"


def _path_in(data: bytes, loc: tuple[int | str, ...]) -> str:
    """The part of a pydantic location that is a path in the data: it also names union branches and validators."""
    try:
        node = json.loads(data)
    except ValueError:
        return ""
    path = ""
    for step in loc:
        try:
            node, path = node[step], path + segment_of(step)
        except (TypeError, LookupError):
            if isinstance(node, dict) and step == loc[-1]:  # a missing field
                path += segment_of(step)
    return path
