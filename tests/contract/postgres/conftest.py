"""What only a server can do to its clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.stores import Place, PostgresPlace
from tests.postgres.server import Server


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A schema of the session's server."""
    place = PostgresPlace(tmp_path)
    yield place
    place.clear()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this test's own, not started yet."""
    server = Server()
    server.make()
    yield server
    server.remove()
