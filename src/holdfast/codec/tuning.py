"""Pydantic's schema of a type, tuned to lose nothing.

Every model, dataclass and TypedDict carries a config of its own, and its defaults are made for web APIs: NaN becomes
null, bytes have to be UTF-8. A config from outside does not reach into them, so the schema itself is rewritten.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic_core import SchemaSerializer, SchemaValidator, core_schema

from holdfast.codec.text import canonical

LOSSLESS = core_schema.CoreConfig(
    ser_json_bytes="base64",
    val_json_bytes="base64",
    ser_json_inf_nan="constants",
    ser_json_timedelta="iso8601",
)
_CONFIGURED = ("model", "dataclass", "typed-dict")
_VALUES = ("default", "expected", "members", "metadata")  # the user's objects, not schemas: never walked


def tuned_schema(annotation: Any) -> core_schema.CoreSchema:
    """The core schema of an annotation, rewritten: lossless config everywhere, sorted sets, iterables as lists.

    Raises:
        PydanticUserError: the annotation is nothing that pydantic can validate.
    """
    adapter = TypeAdapter(annotation)
    adapter.rebuild()  # models with defer_build have no schema until then
    tuned: core_schema.CoreSchema = _tuned(adapter.core_schema)
    return tuned


def serializer_of(schema: core_schema.CoreSchema) -> SchemaSerializer:
    """A serializer built from the tuned schema; prebuilt ones of the classes would bring the old configs back."""
    return SchemaSerializer(schema, LOSSLESS, _use_prebuilt=False)


def validator_of(schema: core_schema.CoreSchema) -> SchemaValidator:
    """A validator built from the tuned schema, without the prebuilt ones of the classes."""
    return SchemaValidator(schema, LOSSLESS, _use_prebuilt=False)


def _tuned(node: Any) -> Any:
    if isinstance(node, list):
        return [_tuned(item) for item in node]
    if isinstance(node, tuple):
        return tuple(_tuned(item) for item in node)
    if not isinstance(node, dict):
        return node
    copy = {key: value if key in _VALUES else _tuned(value) for key, value in node.items()}
    return _adjusted(copy) if isinstance(copy.get("type"), str) else copy


def _adjusted(node: dict[str, Any]) -> dict[str, Any]:
    kind = node["type"]
    if kind in _CONFIGURED:
        node["config"] = {**(node.get("config") or {}), **LOSSLESS}
    elif kind == "generator":
        node["type"] = "list"  # pydantic would decode an Iterable to an iterator that can be read once
    elif kind in ("set", "frozenset") and "serialization" not in node:
        # The order of a set depends on the hash seed; the bytes must not.
        node["serialization"] = core_schema.wrap_serializer_function_ser_schema(_sorted_items, schema=node.copy())
    return node


def _sorted_items(value: Any, handler: core_schema.SerializerFunctionWrapHandler) -> Any:
    items = handler(value)
    return sorted(items, key=canonical) if isinstance(items, (list, set, frozenset)) else items
