"""Spans as the SDK exports them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler


class _Begun(SpanProcessor):
    """Notes in which order spans begin: clocks may go back."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        self.ids.append(span.get_span_context().span_id)


class Spans:
    """A provider, and what it exported."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._begun = _Begun()
        self.provider.add_span_processor(self._begun)

    @property
    def all(self) -> Sequence[ReadableSpan]:
        """All, in the order in which they ended."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of this name, in the order in which they began."""
        return sorted(
            (span for span in self.all if span.name == name), key=lambda span: self._begun.ids.index(ids(span)[1])
        )

    def one(self, name: str) -> ReadableSpan:
        """The only one of this name."""
        (span,) = self.named(name)
        return span


def attribute(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(name)


def left(span: ReadableSpan) -> Any:
    """How an activation left memory."""
    return attribute(span, "holdfast.activation.left")


def links(span: ReadableSpan) -> list[tuple[Any, int, int]]:
    """What a span links to."""
    return [((link.attributes or {})["holdfast.link"], *ids(link)) for link in span.links]


def ids(span: Any) -> tuple[int, int]:
    """Trace and span id of a span, or of a link."""
    return span.context.trace_id, span.context.span_id


def parent(span: ReadableSpan) -> tuple[int, int] | None:
    return None if span.parent is None else (span.parent.trace_id, span.parent.span_id)
