"""What the replay tests share."""

from __future__ import annotations

import pytest

from holdfast.durable import effects
from tests.contract.stores import PLACES, Place
from tests.kernel.replay.cutting import Places


def _name(place: type[Place]) -> str:
    return place.name


@pytest.fixture(params=[PLACES[0], *(pytest.param(place, marks=pytest.mark.soak) for place in PLACES[1:])], ids=_name)
def places(request: pytest.FixtureRequest) -> Places:
    """Where stores are kept: every store must be cut alike. The slower ones are in `make soak`."""
    return request.param


@pytest.fixture(params=PLACES, ids=_name)
def all_places(request: pytest.FixtureRequest) -> Places:
    """The same, every one of them in `make test`."""
    return request.param


@pytest.fixture(autouse=True)
def kind() -> str:
    """Which store is used where the test does not say."""
    return "sqlite"


@pytest.fixture(autouse=True)
def steady_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry that is not recorded yet is due at the same instant in every world."""
    monkeypatch.setattr(effects, "jitter", lambda: 1.0)
