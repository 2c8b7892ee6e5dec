"""Decisions on calls of tools, and what whoever decides is held to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jsonschema
from pydantic import ConfigDict

from holdfast import codec
from holdfast.codec.text import canonical

_DEFINITIONS = ("$defs", "definitions")


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolDecision:
    """What a person says to a call that a tool is to be approved for; resolve its promise with one, or with its JSON.

    Attributes:
        approved: whether the call is made.
        arguments: made with these instead of what the model wrote.
        message: to the model, if it is not made: why.

    Example:
        >>> async def main(client, pending):
        ...     await client.resolve(pending.promises["pay"], {"approved": True, "arguments": {"amount": 90}})
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # a misspelled edit must not be none

    approved: bool
    arguments: dict[str, Any] | None = None
    message: str = ""


def schema_for(parameters: Mapping[str, Any]) -> bytes:
    """The JSON Schema of decisions on a tool's calls: edited arguments have to be such as the tool takes.

    Args:
        parameters: the JSON Schema of what it takes. One that cannot be checked against is left out.
    """
    schema = json.loads(codec.shape_of(ToolDecision).schema())
    if _is_usable(parameters):
        own = {name: part for name, part in parameters.items() if name not in _DEFINITIONS}
        schema["properties"]["arguments"] = {"anyOf": [own, {"type": "null"}]}
        schema |= {name: parameters[name] for name in _DEFINITIONS if name in parameters}  # where its references point
    return canonical(schema)


def _is_usable(schema: Mapping[str, Any]) -> bool:
    try:
        jsonschema.validators.validator_for(schema).check_schema(dict(schema))
    except jsonschema.SchemaError:  # that of a server which writes its own
        return False
    return all(
        isinstance(ref, str) and ref.startswith(tuple(f"#/{name}/" for name in _DEFINITIONS)) for ref in _refs(schema)
    )


def _refs(part: object) -> Iterator[object]:
    if isinstance(part, Mapping):
        if "$ref" in part:
            yield part["$ref"]
        for child in part.values():
            yield from _refs(child)
    elif isinstance(part, list):
        for child in part:
            yield from _refs(child)
