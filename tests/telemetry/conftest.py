"""What Holdfast tells of itself, seen with OpenTelemetry's own SDK and in Prometheus' own registry."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace

from holdfast import App
from tests.telemetry.spans import Spans


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run ``async def`` tests."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**wanted))
    return True


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
