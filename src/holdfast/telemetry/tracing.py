"""Traces: a trace per activation, linked to the one before; a span per attempt of a step.

A run may live for weeks and on many machines, so it is no trace: backends drop spans that end so late, and a span that
was never ended is never sent. An activation is a trace; the links between them are kept in the store.

Without a tracer provider nothing here makes an object. Whatever a provider raises is logged and forgotten: to be
watched must not cost a run anything.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from holdfast.records.journal import Op
from holdfast.records.run import Run
from holdfast.telemetry import genai

logger = logging.getLogger("holdfast.telemetry")

P = ParamSpec("P")
R = TypeVar("R")

_OFF = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_known: tuple[trace.TracerProvider, trace.Tracer] | None = None  # a tracer costs a provider more than a span does


def _tracer() -> trace.Tracer | None:
    """The tracer of the provider that the process has set up; None without one."""
    global _known
    provider = trace.get_tracer_provider()
    if isinstance(provider, _OFF):
        return None
    if _known is None or _known[0] is not provider:
        _known = (provider, provider.get_tracer("holdfast"))
    return _known[1]


def _harmless(work: Callable[P, R]) -> Callable[P, R | None]:
    """Keep what providers, processors and exporters raise from the run that is being told about."""

    @functools.wraps(work)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return work(*args, **kwargs)
        except Exception:
            logger.warning("the tracer provider failed; the run goes on untold", exc_info=True)
            return None

    return kept


@_harmless
def begin(run: Run, build: str, *, before: str | None, parent: str | None) -> ActivationTrace | None:
    """Begin the trace of an activation; None if nobody traces.

    Args:
        run: as it was claimed.
        build: which code it runs.
        before: the trace context of the run's activation before this one.
        parent: of the parent's activation, for a run's first.
    """
    tracer = _tracer()
    if tracer is None:
        return None
    named = genai.invoke_agent(run.agent, run.version, run.root)
    attributes = named.attributes | {
        "holdfast.run.id": run.id, "holdfast.activation.build": build, "holdfast.activation.worker": run.worker or "",
    }  # fmt: skip
    span = tracer.start_span(
        named.name,
        context=otel.Context(),  # a root, whatever is current where the worker happens to be
        kind=SpanKind.INTERNAL,
        attributes={**attributes, "holdfast.activation.epoch": run.epoch},
        links=_links(before, parent),
    )
    return ActivationTrace(tracer, span, run.agent)


def _links(before: str | None, parent: str | None) -> Sequence[Link]:
    found = (("previous activation", before), ("parent run", None if before else parent))
    contexts = ((what, _context_of(text)) for what, text in found if text)
    return [Link(context, {"holdfast.link": what}) for what, context in contexts if context is not None]


class ActivationTrace:
    """The trace of one activation. Made by :func:`begin`."""

    __slots__ = ("_agent", "_kept", "_parent", "_span", "_tracer")

    def __init__(self, tracer: trace.Tracer, span: Span, agent: str) -> None:
        self._tracer = tracer
        self._span = span
        self._agent = agent
        self._parent = trace.set_span_in_context(span, otel.Context())
        self._kept = not span.is_recording()  # what a sampler drops is not worth a link

    def to_keep(self) -> str | None:
        """The trace context, in the format of W3C's ``traceparent``: once, to be stored with the activation."""
        if self._kept:
            return None
        self._kept = True
        return _text_of(self._span.get_span_context())

    @contextmanager
    def attempt(self, op: Op, name: str, key: str, call: str, number: int) -> Iterator[Attempt]:
        """Make a span for an attempt of a step, current while its code runs, in its tasks and threads too.

        Args:
            op: step or tool.
            name: the function's.
            key: of the step in its run.
            call: its idempotency key.
            number: of the attempt, from 1.
        """
        span = self._begin_attempt(op, name, key, call, number) or trace.INVALID_SPAN
        token = otel.attach(trace.set_span_in_context(span, self._parent))
        attempt = Attempt(span)
        try:
            yield attempt
        finally:
            otel.detach(token)
            _end(span, attempt.outcome, attempt.error)

    @_harmless
    def _begin_attempt(self, op: Op, name: str, key: str, call: str, number: int) -> Span:
        if op is Op.TOOL:
            named = genai.execute_tool(name, self._agent, call)
        else:
            named = genai.Named(name=f"step {name}", attributes={})
        return self._tracer.start_span(
            named.name,
            context=self._parent,
            kind=SpanKind.INTERNAL,
            attributes={**named.attributes, "holdfast.step.key": key, "holdfast.step.attempt": number},
        )

    @_harmless
    def end(self, left: str, *, status: str = "", error: str = "") -> None:
        """The activation leaves memory.

        Args:
            left: how.
            status: the run's, if it has ended.
            error: the type of what it failed with, if it failed.
        """
        self._span.set_attribute("holdfast.activation.left", left)
        if status:
            self._span.set_attribute("holdfast.run.status", status)
        _fail(self._span, error)
        self._span.end()


class Attempt:
    """How an attempt went; set before its span ends."""

    __slots__ = ("_span", "error", "outcome")

    def __init__(self, span: Span) -> None:
        self._span = span
        self.outcome = ""
        self.error = ""  # the type of the exception, never its message


@_harmless
def _end(span: Span, outcome: str, error: str) -> None:
    span.set_attribute("holdfast.step.outcome", outcome)
    _fail(span, error)
    span.end()


def _fail(span: Span, error: str) -> None:
    if error:
        span.set_attribute("error.type", error)
        span.set_status(StatusCode.ERROR)  # without a description: messages may hold secrets


def _text_of(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _context_of(text: str) -> SpanContext | None:
    found = _TRACEPARENT.fullmatch(text)
    if found is None:  # kept by a version that knows another format
        return None
    return SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16)))
