"""A rig says that a run is stuck once nothing has moved it for a while; a machine that stood still is no reason."""

from __future__ import annotations

import asyncio
import time

import pytest

from holdfast import App, Context
from holdfast.testing import Stuck, rig

app: App[None] = App("patient")


@app.agent
async def ask(ctx: Context) -> bool:
    return await ctx.promise("answer", bool)


async def test_what_comes_after_the_machine_stood_still_is_not_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    waits_for_outside, really = asyncio.Event(), rig.boot_seconds

    def looked() -> float:
        waits_for_outside.set()
        return really()

    monkeypatch.setattr(rig, "boot_seconds", looked)
    monkeypatch.setattr(rig, "_PATIENCE", 1.0)
    async with app.test() as t:
        run = await t.start(ask())
        waiting = asyncio.create_task(run.result())
        await waits_for_outside.wait()
        time.sleep(1.5)  # noqa: ASYNC251  # nothing here goes on meanwhile: that is the point
        await t.resolve(f"{run.id}/answer", True)
        assert await waiting


async def test_who_waits_for_what_nobody_does_is_told_for_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig, "_PATIENCE", 0.2)
    async with app.test(always_suspend=True) as t:
        run = await t.start(ask())
        with pytest.raises(Stuck, match=r"is waiting, for news: a promise.*; nothing in this test moves it"):
            await run.result()
