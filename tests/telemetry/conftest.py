"""What Holdfast tells of itself, seen with OpenTelemetry's own SDK and in Prometheus' own registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace

from holdfast import App
from tests.telemetry.spans import Spans


@pytest.fixture
def app() -> App[None]:
    return App("told")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store that outlives a rig."""
    return f"sqlite:///{tmp_path}/told.db"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """A tracer provider that is set up while the test runs (OpenTelemetry itself never takes one back)."""
    spans = Spans()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)
    yield spans
    spans.provider.shutdown()
