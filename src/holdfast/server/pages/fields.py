"""Fields: what people type into, made from the JSON Schema of what is to be decided, and what they typed as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from holdfast.approvals.case import Case
from holdfast.approvals.request import SUBJECTS
from holdfast.console import harmless

PREFIX = "edit:"
"""Begins the names of fields in a form; what follows is the name in the schema."""
WHOLE = ""
"""The name of the only field of what has no fields of its own."""
_LONG = 60  # characters, above which text has several lines
_INPUTS = {"date": "date", "email": "email", "uri": "url", "time": "text", "date-time": "text"}
_LIMITS = (("min", "minimum"), ("max", "maximum"))
_STEP = re.compile(r"^\$(?:\.([A-Za-z_]\w*)|\[['\"](.*?)['\"]\])")
_MISSING = object()


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a form.

    Attributes:
        name: in the schema.
        kind: ``text``, ``lines``, ``number``, ``integer``, ``choice``, ``switch`` or ``json``.
        input: the type of its ``<input>``.
        type: in words.
        about: its description.
        required: whether it must be there.
        nullable: whether it may be none: nothing typed means that.
        choices: of a choice, as JSON.
        text: what it holds.
        was: what it held as it was made.
        value: what that stands for; a private mark if there was none.
        limits: ``min`` and ``max`` of a number.
        error: why what was typed does not fit.
    """

    name: str
    kind: str
    type: str
    input: str = "text"
    about: str = ""
    required: bool = False
    nullable: bool = False
    choices: tuple[str, ...] = ()
    text: str = ""
    was: str = ""
    value: Any = _MISSING
    limits: tuple[tuple[str, Any], ...] = ()
    error: str = ""

    @property
    def label(self) -> str:
        """What stands beside it."""
        return self.name or "value"

    @property
    def changed(self) -> bool:
        """Whether something else was typed than it held."""
        return self.text != self.was

    def read(self) -> Any:
        """What was typed, as JSON.

        Raises:
            ValueError: it is none of this kind; says so in words.
        """
        if not self.changed and self.value is not _MISSING:
            return self.value
        if self.nullable and not self.text.strip():
            return None
        if self.kind in ("text", "lines"):
            return self.text
        if self.kind == "switch":
            return self.text == "true"
        if not self.text.strip():
            raise ValueError("fill this in")
        return _json(self.text, number=self.kind in ("number", "integer"))


def fields_of(case: Case) -> list[Field]:
    """The fields with which a case is edited, or a question answered; they hold what it is now."""
    subject = case.action.get(SUBJECTS[case.kind], _MISSING)
    schema = _resolved(case.schema_, case.schema_)
    named = schema.get("properties", {})
    if not (isinstance(subject, dict) or (subject is _MISSING and named)) or not (named or subject):
        return [_field(WHOLE, schema, case.schema_, subject, required=True)]
    held = subject if isinstance(subject, dict) else {}
    required = schema.get("required", [])
    return [
        _field(name, named.get(name, {}), case.schema_, held.get(name, _MISSING), required=name in required)
        for name in dict.fromkeys([*named, *held])
    ]


def typed(fields: list[Field], form: Mapping[str, Any]) -> list[Field]:
    """The same fields with what was typed into them."""
    return [replace(field, text=_typed(field, form)) for field in fields]


def read(fields: list[Field], *, all: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """What was typed by name, and what is wrong by name.

    Args:
        fields: that were typed into.
        all: also what was not changed; fields that may be left out and are empty never.
    """
    found: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for field in fields:
        if not field.changed and (not all or (field.value is _MISSING and not field.required)):
            continue
        try:
            found[field.name] = field.read()
        except ValueError as error:
            wrong[field.name] = str(error)
    return found, wrong


def with_errors(fields: list[Field], wrong: Mapping[str, str]) -> list[Field]:
    """The same fields with what is wrong with them."""
    return [replace(field, error=wrong.get(field.name, "")) for field in fields]


def place_of(path: str, fields: list[Field]) -> str | None:
    """The name of the field in which a path of an error lies; None: in no single one."""
    if len(fields) == 1 and fields[0].name == WHOLE:
        return WHOLE
    found = _STEP.match(path)
    name = None if found is None else (found[1] or found[2])
    return name if any(field.name == name for field in fields) else None


def described(schema: Mapping[str, Any], value: Any) -> list[tuple[str, str, str, Any]]:
    """What a schema says of the parts of a value: name, type, description, value."""
    found = _resolved(schema, schema)
    named = found.get("properties", {})
    held = value if isinstance(value, dict) else {}
    parts = [(name, _resolved(named.get(name, {}), schema), part) for name, part in held.items()]
    return [(name, words(one, part), str(one.get("description", "")), part) for name, one, part in parts]


def words(schema: Mapping[str, Any], value: Any = None) -> str:
    """The type that a schema says, in words."""
    if "enum" in schema or "const" in schema:
        return "choice"
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(words(one) for one in options))
    said = schema.get("type")
    if isinstance(said, list):
        return " or ".join(said)
    if said is None:
        return str(schema["$ref"]).rpartition("/")[2] if "$ref" in schema else _guessed(value)
    return f"{said}, {schema['format']}" if "format" in schema else str(said)


def pretty(value: Any) -> str:
    """A value as people read it: text as it is, all else as JSON; what could have it read as another stands out."""
    return harmless(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))


# -- inside


def _field(name: str, raw: Mapping[str, Any], root: Mapping[str, Any], value: Any, *, required: bool) -> Field:
    schema = _resolved(raw, root)
    options = [_resolved(one, root) for one in schema.get("anyOf") or schema.get("oneOf") or [schema]]
    nullable = any(one.get("type") == "null" for one in options)
    real = [one for one in options if one.get("type") != "null"]
    chosen = _chosen(real, value)
    kind = _kind(chosen, value)
    held = chosen.get("default", schema.get("default", _MISSING)) if value is _MISSING else value
    text = _text(kind, held)
    return Field(
        name=name, kind=kind, input=_INPUTS.get(chosen.get("format", ""), "text"), required=required, nullable=nullable,
        type=words(schema, None if value is _MISSING else value),
        about=str(raw.get("description") or schema.get("description", "")),
        choices=tuple(map(_dumped, chosen.get("enum", ()))), text=text, was=text, value=value,
        limits=tuple((ours, chosen[theirs]) for ours, theirs in _LIMITS if theirs in chosen),
    )  # fmt: skip


def _chosen(options: list[dict[str, Any]], value: Any) -> dict[str, Any]:
    """The one of several types that is typed into: text where text will do, such as for decimals."""
    if len(options) == 1:
        return options[0]
    text = [one for one in options if one.get("type") == "string" and "enum" not in one]
    numbers = all(one.get("type") in ("string", "number", "integer") for one in options)
    return text[0] if text and numbers and (value is _MISSING or isinstance(value, str)) else {}


def _kind(schema: Mapping[str, Any], value: Any) -> str:
    if "enum" in schema:
        return "choice"
    sort = schema.get("type") or ("json" if value is _MISSING else _guessed(value))
    if sort == "string" and (value is _MISSING or value is None or isinstance(value, str)):
        held = value if isinstance(value, str) else ""
        if any(not one.isprintable() and one not in "\n\t" for one in held):
            return "json"  # a browser would change it
        return "lines" if "\n" in held or len(held) > _LONG else "text"
    if sort == "boolean" and (value is _MISSING or isinstance(value, bool)):
        return "switch"
    return sort if sort in ("number", "integer") and not isinstance(value, str | list | dict | bool) else "json"


def _guessed(value: Any) -> str:
    sorts = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return sorts.get(type(value), "any")


def _text(kind: str, value: Any) -> str:
    if value is _MISSING:
        return "false" if kind == "switch" else ""
    if value is None and kind != "json":
        return ""
    if kind == "switch":
        return "true" if value else "false"
    if kind in ("text", "lines"):
        return str(value)
    return _dumped(value) if kind != "json" else json.dumps(value, ensure_ascii=True, indent=2)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


def _typed(field: Field, form: Mapping[str, Any]) -> str:
    given = form.get(f"{PREFIX}{field.name}")
    if given is None:
        return "false" if field.kind == "switch" and f"{PREFIX}{field.name}:there" in form else field.text
    return str(given).replace("\r\n", "\n")  # as browsers send the ends of lines


def _json(text: str, *, number: bool) -> Any:
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError("this is no number" if number else f"this is no JSON: {error}") from None
    if number and (isinstance(found, bool) or not isinstance(found, int | float)):
        raise ValueError("this is no number")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without references to others of the same document."""
    found, seen = dict(schema), 0
    while isinstance(to := found.get("$ref"), str) and to.startswith("#/") and seen < 20:
        there: Any = root
        for part in to[2:].split("/"):
            there = there.get(part, {}) if isinstance(there, Mapping) else {}
        found = {**there, **{name: one for name, one in found.items() if name != "$ref"}}
        seen += 1
    if len(found.get("allOf", ())) == 1:
        return _resolved({**found["allOf"][0], **{k: v for k, v in found.items() if k != "allOf"}}, root)
    return found
