"""What people and runs are promised when a run asks, one file per promise, over every store, on the virtual clock.

Everything here also passes with ``HOLDFAST_ALWAYS_SUSPEND=1``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.processes import Nursery
from tests.kernel.conftest import app, kind, pytest_pyfunc_call, url, world

__all__ = ["app", "kind", "pytest_pyfunc_call", "url", "world"]


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    """Makes processes; whatever is alive at the end of the test is killed."""
    nursery = Nursery()
    try:
        yield nursery
    finally:
        nursery.clear()
