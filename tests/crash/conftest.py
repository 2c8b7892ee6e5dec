"""What dies and what survives: processes are killed, and what was accepted or recorded is still there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.place import Place
from tests.crash.processes import Nursery, nursery

__all__ = ["nursery"]


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which store runs are kept in."""
    return request.param


@pytest.fixture
def place(tmp_path: Path, kind: str, nursery: Nursery) -> Iterator[Place]:
    """A store, a ledger and a list of what was accepted."""
    place = Place(tmp_path, kind)
    yield place
    nursery.clear()  # whoever is alive would write into what the next test is given
    place.clear()
