"""The web inbox: a worker on an embedded store, a server on a real socket, and a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.conftest import built, runner

__all__ = ["built", "runner", "url"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An empty store; pages know nothing of which it is."""
    return f"sqlite:///{tmp_path}/house.db"
