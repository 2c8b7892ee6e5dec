"""Matters: what is put to people (a call, a value, a question), how they see it, and what their decision means."""

from __future__ import annotations

import json
from typing import Any, Generic, Protocol, TypeVar

from holdfast import codec
from holdfast.approvals.request import Kind
from holdfast.durable.calls import Call
from holdfast.durable.scope import Scope
from holdfast.errors import NotStorable
from holdfast.records.journal import Op

T = TypeVar("T")
_WORDS = {Op.TOOL: "tool", Op.CHILD: "agent"}


class Matter(Protocol):
    """What is put to people.

    Attributes:
        kind: of the request.
        key: of the journal entries when it is asked for the first time.
        action: as people see it, and as it is bound.
        schema: of what edits change, as JSON.
        shown: in words, for whoever mends a blocked run.
        fingerprint: of what a run in flight must not find changed.
    """

    kind: Kind
    key: str
    action: dict[str, Any]
    schema: dict[str, Any]
    shown: str
    fingerprint: bytes


class CallMatter:
    """A call, to be made if it is approved."""

    kind: Kind = "call"

    def __init__(self, scope: Scope, call: Call[Any]) -> None:
        place, packed = scope.core.place, call.packed_arguments()
        target = call.target
        self.key = f"{scope.prefix}~approve:{call.place(scope).removeprefix(scope.prefix)}"
        self.action = action_of(call, place.portable(packed))
        self.schema = _schema_of(call)
        self.shown = f"approval of {call!r}"
        self.fingerprint = codec.fingerprint(place.shown(packed) + target.name.encode())


class ValueMatter(Generic[T]):
    """A value, to go on with if it is approved.

    Raises:
        NotStorable: it would not come back as it is.
    """

    kind: Kind = "value"

    def __init__(self, scope: Scope, value: T) -> None:
        is_json = value is None or isinstance(value, bool | int | float | str | list | dict)
        self.shape: codec.Shape[Any] = codec.shape_of(Any if is_json else type(value))
        data = scope.core.place.portable(self.shape.settle(value)[0])
        name = type(value).__name__
        self.key = scope.next_key(f"~approve:{name}")
        self.action = {"type": name, "value": json.loads(data)}
        self.schema = json.loads(self.shape.schema())
        self.shown = f"approval of a {name}"
        self.fingerprint = codec.fingerprint(scope.core.place.shown(data) + name.encode())

    def read(self, scope: Scope, final: dict[str, Any]) -> Any:
        """The value that was approved."""
        return self.shape.decode(scope.core.place.local(codec.canonical(final["value"])))


class QuestionMatter(Generic[T]):
    """A question, to be answered with a value of a type."""

    kind: Kind = "question"

    def __init__(self, scope: Scope, question: str, answer: type[T]) -> None:
        self.shape: codec.Shape[T] = codec.shape_of(answer)
        self.key = scope.next_key("~ask")
        self.action = {"question": question}
        self.schema = json.loads(self.shape.schema())
        self.shown = f"an answer to {question!r}"
        self.fingerprint = b""  # how it is put may change while somebody thinks about it

    def read(self, final: dict[str, Any]) -> T:
        """The answer."""
        return self.shape.decode(codec.canonical(final["answer"]))


def action_of(call: Call[Any], packed: bytes) -> dict[str, Any]:
    """A call as people see it and as it is bound, with these arguments."""
    action: dict[str, Any] = {_WORDS.get(call.target.op, "step"): call.target.name or "call"}
    if call.target.op is Op.CHILD:
        action["version"] = call.version
    return action | {"arguments": json.loads(packed)}


def _schema_of(call: Call[Any]) -> dict[str, Any]:
    try:
        schema = codec.schema_of_arguments(call.target.fn, skip=call.target.injected)
    except NotStorable:  # a type that can be stored, and not described: edits are held to it when they come back
        return {"type": "object"}
    loaded: dict[str, Any] = json.loads(schema)
    return loaded
