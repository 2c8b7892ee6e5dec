"""Machines whose clocks are off: they go by the database's, in timers and rates as in leases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from holdfast import App, Context, Settings
from holdfast.clock import SECOND, SharedClock
from holdfast.durable.storedrun import StoredRun
from holdfast.durable.timekeeper import Timekeeper, clock_of, follow
from holdfast.records.run import Status
from holdfast.store.base import Store
from tests.contract.stores import Place

HOUR_S = 3600
SETTINGS = Settings(poll=0.05, linger=0.0)
app = App("clocks")


@app.agent
async def tell_time(ctx: Context) -> float:
    return ctx.now().timestamp()


@app.agent
async def doze(ctx: Context) -> None:
    await asyncio.sleep(HOUR_S / 2)


@app.agent(rate="2/30m")
async def rare(ctx: Context) -> None:
    pass


@contextmanager
def off(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[None]:
    """Whatever is opened meanwhile is on a machine whose clock is off."""
    real = time.time_ns
    with monkeypatch.context() as there:
        there.setattr(time, "time_ns", lambda: real() + int(seconds * 1e9))
        yield


@pytest.mark.parametrize("hours", [1, -1], ids=["ahead", "behind"])
async def test_a_worker_with_a_wrong_clock_keeps_the_databases_time(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, hours: int
) -> None:
    async with app.open(place.url, settings=SETTINGS) as right:
        sleeper = await right.start(doze())
        done = [await right.start(rare()) for _ in range(2)]
        for run in done:
            await run.result()
        while await sleeper.status() is not Status.WAITING:  # noqa: ASYNC110  # two looks at the store
            await asyncio.sleep(0.01)
    with off(monkeypatch, hours * HOUR_S):
        async with app.open(place.url, settings=SETTINGS) as wrong:
            late = await wrong.start(rare())
            told = await (await wrong.start(tell_time())).result()
            assert await StoredRun(wrong, sleeper.id).status() is Status.WAITING, "its time has not come"
            assert await late.status() is Status.QUEUED, "the rate counts what others have begun"
    assert abs(told - time.time()) < 60
    assert ("ahead of" if hours > 0 else "behind") in caplog.text


async def test_clocks_that_agree_are_left_alone(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    clock = await clock_of(store)
    assert isinstance(clock, SharedClock)
    assert abs(clock.turned) < SECOND
    assert not [record for record in caplog.records if record.name == "holdfast.clock"]


async def test_a_clock_that_is_set_while_a_worker_is_up_is_found_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SharedClock()
    await follow(store, clock)
    keeper = Timekeeper(store, clock)
    with off(monkeypatch, HOUR_S):
        again = await keeper.work()
        assert abs(clock.now() / 1e6 - (time.time_ns() / 1e9 - HOUR_S)) < 60
        assert again is not None
        assert 0 < again - clock.now() <= 60 * SECOND
    turned = clock.turned
    await keeper.work()  # as at every look for work: it asks the database once a minute
    assert clock.turned == turned
