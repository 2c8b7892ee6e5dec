"""The HTTP API, over every store. What needs a network has one: a real server on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import schemas
from tests.server.house import House, house


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty store."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/house.db"
        return
    url = schemas.take()
    yield url
    schemas.give_back(url)


@pytest.fixture(autouse=True)
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def built(url: str, runner: asyncio.Runner) -> Iterator[House]:
    """A house over it, with a worker."""
    manager = house(url)
    yield runner.run(manager.__aenter__())
    runner.run(manager.__aexit__(None, None, None))
