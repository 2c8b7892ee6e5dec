"""Workers do chores beside executing runs: one that fails is said and done again, and keeps nobody from working."""

from __future__ import annotations

import logging

import pytest

from holdfast import App, Context
from holdfast.clock import SECOND, VirtualClock
from holdfast.durable import chores
from holdfast.errors import StoreBusy
from holdfast.testing import rig


class Chore:
    """Is done every hour, unless it fails."""

    name = "the chore"

    def __init__(self, clock: VirtualClock, *, fails: int = 0) -> None:
        self.done: list[int] = []
        self._clock = clock
        self._fails = fails

    async def work(self) -> int | None:
        self.done.append(self._clock.now())
        if len(self.done) <= self._fails:
            raise RuntimeError("a defect")
        return (self._clock.now() // (3600 * SECOND) + 1) * 3600 * SECOND


async def test_it_is_done_when_it_said_and_a_defect_is_said(
    app: App[None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock(0)
    chore = Chore(clock, fails=1)
    monkeypatch.setattr(rig, "chores_of", lambda *_: [chore])

    @app.agent
    async def job(ctx: Context) -> str:
        return "done"

    with caplog.at_level(logging.CRITICAL, "holdfast.worker"):
        async with app.test(clock=clock) as t:
            assert await (await t.start(job())).result() == "done"
            await t.advance("3h")
    assert {1 * 3600 * SECOND, 2 * 3600 * SECOND, 3 * 3600 * SECOND} <= set(chore.done)
    assert "the chore the chore failed" in caplog.text


async def test_the_next_one_to_be_done_counts(app: App[None]) -> None:
    clock = VirtualClock(0)

    class Idle(Chore):
        async def work(self) -> int | None:
            return None

    class Broken(Chore):
        async def work(self) -> int | None:
            raise StoreBusy("no answer")

    assert await chores.do_all([Idle(clock)], clock, 1.0) is None
    assert await chores.do_all([Idle(clock), Chore(clock), Chore(clock, fails=1)], clock, 1.0) == SECOND
    with pytest.raises(StoreBusy):
        await chores.do_all([Broken(clock)], clock, 1.0)
