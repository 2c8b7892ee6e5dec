"""Leaving memory at every wait, and losing the worker whenever only time can move anything, change nothing."""

from __future__ import annotations

import asyncio

import pytest

from tests.kernel.replay.bodies import app, cases
from tests.kernel.replay.cutting import Places, Story, crashing, undisturbed


def same(first: Story, again: Story) -> None:
    assert again.account == first.account
    assert again.stage.repeated == []


@pytest.mark.parametrize("name", cases)
def test_evicted_at_every_wait(name: str, places: Places) -> None:
    async def both() -> None:
        same(
            await undisturbed(app, places, cases[name], linger=60.0),
            await undisturbed(app, places, cases[name], linger=0.0),
        )

    asyncio.run(both())


@pytest.mark.parametrize("linger", [60.0, 0.0], ids=["in memory", "evicted"])
@pytest.mark.parametrize("name", cases)
def test_crashed_at_every_wait(name: str, places: Places, linger: float) -> None:
    async def both() -> None:
        first = await undisturbed(app, places, cases[name], linger=60.0)
        again = await crashing(app, places, cases[name], linger=linger)
        same(first, again)
        assert again.crashes > 1

    asyncio.run(both())
