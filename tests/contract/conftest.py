"""The conformance suite: what every store promises. A new store joins by a class in ``stores.py``, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.store.base import Store
from tests.contract.making import Hand
from tests.contract.stores import PLACES, Place


@pytest.fixture(autouse=True)
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(params=PLACES, ids=lambda place: place.name)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where a store is kept: opens it as often as a test likes."""
    place = request.param(tmp_path)
    yield place
    place.clear()


@pytest.fixture
def store(place: Place, runner: asyncio.Runner) -> Iterator[Store]:
    """An empty store."""
    store = runner.run(place.open())
    yield store
    runner.run(store.close())


@pytest.fixture
def worker(store: Store, runner: asyncio.Runner) -> Hand:
    """A worker of that store."""
    return runner.run(Hand.hire(store, "w1"))
