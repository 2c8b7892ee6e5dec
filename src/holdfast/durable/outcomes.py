"""Outcomes as the body sees them: values decoded by type, failures as exceptions; equal live and replayed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from holdfast import codec
from holdfast.durable.calls import Call
from holdfast.durable.workspace.place import Place
from holdfast.errors import (
    CallFailed,
    ChildCancelled,
    ChildFailed,
    NotApproved,
    NotStorable,
    OutcomeUnknown,
    PromiseFailed,
    StepFailed,
    StepTimedOut,
)
from holdfast.records.journal import Entry, Op

TIMED_OUT = "StepTimedOut"
UNKNOWN = "OutcomeUnknown"
CANCELLED = "Cancelled"
RUN_TIMED_OUT = "RunTimedOut"

_STEP_FAILURES: dict[str, type[CallFailed]] = {TIMED_OUT: StepTimedOut, UNKNOWN: OutcomeUnknown}


def decoder_of(call: Call[Any], place: Place) -> Callable[[Entry], Any]:
    """What turns a recorded outcome of the call into its value, or into the exception to raise.

    It raises :class:`~holdfast.errors.NotStorable` when the recorded value no longer fits the code's type.
    """
    shape: Any = call.shape
    if place.path is not None and call.target.op is not Op.CHILD:  # a child's paths are of its own workspace
        shape = place.localising(shape)
    return functools.partial(_decode, call.target.op, call.options.raises, shape)


def promise_decoder(annotation: Any) -> Callable[[Entry], Any]:
    """The same for a promise of this type; a value of another type fails the promise, not the run."""
    shape = codec.shape_of(annotation)

    def decode(entry: Entry) -> Any:
        if not entry.ok:
            return failure(Op.PROMISE, entry.key, entry.value, (), entry.seq)
        try:
            return shape.decode(codec.unpack(entry.value))
        except NotStorable as error:
            return PromiseFailed(entry.key, "NotStorable", f"it was resolved with a value of another type: {error}")

    return decode


def failure(op: Op, key: str, value: bytes, raises: tuple[type[Exception], ...], seq: int) -> Exception:
    """The exception that the failure recorded under a number stands for."""
    failed = codec.Failed.unpack(value)
    cause = _class_of(op, failed.type_name)(key, failed.type_name, failed.message, failed.traceback_text)
    cause.seq = seq
    rebuilt = codec.rebuild(failed, raises) if raises else None
    if rebuilt is None or isinstance(rebuilt, StopIteration):  # a future cannot hold a StopIteration
        return cause
    rebuilt.__cause__ = cause
    return rebuilt


def _decode(op: Op, raises: tuple[type[Exception], ...], shape: Any, entry: Entry) -> Any:
    if entry.ok:
        return shape.decode(codec.unpack(entry.value))
    return failure(op, entry.key, entry.value, raises, entry.seq)


def _class_of(op: Op, type_name: str) -> type[CallFailed]:
    if op is Op.CHILD:
        return ChildCancelled if type_name == CANCELLED else ChildFailed
    if op is Op.PROMISE:
        return PromiseFailed
    if op is Op.APPROVAL:
        return NotApproved
    return _STEP_FAILURES.get(type_name, StepFailed)
