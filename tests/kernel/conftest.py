"""What a run of agent code is promised, one file per promise, on the virtual clock unless real time is the point.

Everything here also passes with ``HOLDFAST_ALWAYS_SUSPEND=1``: bodies run many times, so what happened is counted where
it happens, in steps (see ``World``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import App
from holdfast.testing import rig
from tests.kernel.making import World
from tests.postgres import schemas


@pytest.fixture
def app() -> App[None]:
    return App("kernel")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True, params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Which store runs are kept in; rigs keep theirs there too."""
    taken: list[str] = []

    def temporary_url(folder: str) -> str:
        taken.append(schemas.take())
        return taken[-1]

    if request.param == "postgres":
        monkeypatch.setattr(rig, "temporary_url", temporary_url)
    yield request.param
    for url in taken:
        schemas.give_back(url)


@pytest.fixture
def url(kind: str, tmp_path: Path) -> Iterator[str]:
    """A store that outlives a rig."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/kernel.db"
        return
    url = schemas.take()
    yield url
    schemas.give_back(url)
