"""What agents of other libraries are promised, one file per promise, on the virtual clock where time plays a part.

Everything here also passes with ``HOLDFAST_ALWAYS_SUSPEND=1``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import App
from tests.crash.place import Place
from tests.crash.processes import nursery

__all__ = ["nursery"]


@pytest.fixture
def app() -> App[None]:
    return App("talk")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A store and a ledger."""
    return Place(tmp_path, "sqlite")
