"""Edits: what is to be decided with a person's changes, held to the types it was asked with."""

from __future__ import annotations

import re
from typing import Any

from holdfast import codec
from holdfast.approvals.answers import Approve, Respond
from holdfast.approvals.request import SUBJECTS, Request
from holdfast.durable.calls import Target
from holdfast.durable.catalog import Catalog
from holdfast.errors import EditRefused, NotStorable
from holdfast.records.worker import Hosted


def edited(request: Request, answer: Approve) -> dict[str, Any]:
    """The action that is approved: the one that was asked for, or another within its types.

    Raises:
        EditRefused: it does not fit; the error has the path.
    """
    if request.kind == "question":
        given = answer.value if answer.has_value else answer.edits
        if given is None and not answer.has_value:
            raise EditRefused("a question is answered with a value")
        return _with_subject(request, given)
    if answer.has_value:
        if request.kind == "call":
            raise EditRefused("a call has arguments: edit them by name, it is not replaced by a value")
        if answer.edits:
            raise EditRefused("a value and edits at once: give one of them")
        return _with_subject(request, answer.value)
    if not answer.edits:
        return request.action
    if not isinstance(request.subject, dict):
        raise EditRefused("the value has no fields to edit: give another value as a whole")
    return _with_subject(request, request.subject | answer.edits)


def check_types(catalog: Catalog, action: dict[str, Any]) -> None:
    """Hold a call to the types of its own code, where that is at hand: they may ask for more than their JSON Schema.

    Raises:
        EditRefused: it does not fit; the error has the path.
    """
    target = _target_of(catalog, action)
    if target is None:
        return
    try:
        codec.unpack_arguments(target.fn, codec.canonical(action["arguments"]), skip=target.injected)
    except NotStorable as error:
        where = re.search(r"stored argument ([^\s:]+)", str(error))
        raise EditRefused(f"it does not fit: {error}", path=f"$.{where[1]}" if where else "$") from None


def _target_of(catalog: Catalog, action: dict[str, Any]) -> Target | None:
    if "tool" in action:
        tool = catalog.tools.get(action["tool"])
        return None if tool is None else tool.target
    agent = catalog.agents.get(Hosted(agent=action.get("agent", ""), version=action.get("version", "")))
    return None if agent is None else agent.target


def answered(request: Request, answer: Respond) -> dict[str, Any]:
    """The action of a question that is answered with a text.

    Raises:
        EditRefused: another type is asked for.
    """
    return _with_subject(request, answer.text)


def _with_subject(request: Request, subject: Any) -> dict[str, Any]:
    import jsonschema  # takes long to load, and few processes edit

    try:
        codec.canonical(subject)
        validator = jsonschema.validators.validator_for(request.schema_)(request.schema_)
        error = jsonschema.exceptions.best_match(validator.iter_errors(subject))
    except (NotStorable, RecursionError) as problem:
        raise EditRefused(f"it is no JSON value that could be stored: {problem}") from None
    if error is not None:
        raise EditRefused(f"it does not fit at {error.json_path}: {error.message[:500]}", path=error.json_path)
    return request.action | {SUBJECTS[request.kind]: subject}
