"""What the replay tests share."""

from __future__ import annotations

import pytest

from holdfast.durable import effects
from tests.contract.stores import PLACES
from tests.kernel.replay.cutting import Places


@pytest.fixture(params=PLACES, ids=lambda place: place.name)
def places(request: pytest.FixtureRequest) -> Places:
    """Where stores are kept: every store must be cut alike."""
    return request.param


@pytest.fixture(autouse=True)
def steady_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry that is not recorded yet is due at the same instant in every world."""
    monkeypatch.setattr(effects, "jitter", lambda: 1.0)
