"""However many results are waited for at a time, the store is asked one question after each change."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from holdfast import App, Context, RunCancelled, RunFailed, UnknownRun
from holdfast.durable.lobby import Lobby
from holdfast.errors import StoreError

app = App("many")


@app.agent
async def answered(ctx: Context, n: int) -> int:
    return await ctx.promise("answer", int) + n


@app.agent
async def ill(ctx: Context) -> None:
    raise ValueError("ill")


class Counted:
    """A store whose questions are counted."""

    def __init__(self, store: Any) -> None:
        self.gets = self.questions = 0
        self._get, self._stopped = store.get, store.stopped
        store.get, store.stopped = self.get, self.stopped

    async def get(self, run_id: str) -> Any:
        self.gets += 1
        return await self._get(run_id)

    async def stopped(self, run_ids: Sequence[str]) -> list[str]:
        self.questions += 1
        found: list[str] = await self._stopped(run_ids)
        return found


async def test_a_hundred_who_wait_look_thrice_each_and_ask_together(url: str) -> None:
    async with app.open(url) as runtime, app.connect(url) as client:
        runs = await client.start_all([answered(n) for n in range(100)])
        store = Counted(client.store)
        waiting = [asyncio.ensure_future(run.result()) for run in runs]
        for n, run in enumerate(runs):  # changes, one after the other
            await runtime.resolve(f"{run.id}/answer", n)
        assert await asyncio.gather(*waiting) == [2 * n for n in range(100)]
        assert store.gets <= 3 * 100
        assert client._lobby._seats == {} and client._lobby._lookout is None


async def test_each_is_told_of_its_own_end(url: str) -> None:
    async with app.open(url) as runtime:
        well, gone = await runtime.start_all([answered(1), answered(2)])
        bad = await runtime.start(ill())
        waiting = asyncio.gather(well.result(), gone.result(), bad.result(), return_exceptions=True)
        await runtime.resolve(f"{well.id}/answer", 1)
        await gone.cancel()
        first, second, third = await waiting
        assert first == 2 and isinstance(second, RunCancelled) and isinstance(third, RunFailed)
        with pytest.raises(UnknownRun):
            await runtime.until_over("01m8c00000000000000000000")


async def test_a_run_that_a_person_paused_is_waited_for_and_a_blocked_one_is_not(url: str) -> None:
    async with app.open(url) as runtime:
        run = await runtime.start(answered(1))
        await runtime.wait_until(run.id, lambda record: record.status == "waiting")
        waiting = asyncio.ensure_future(run.result())
        await runtime.pause(run.id)
        await runtime.wait_until(run.id, lambda record: record.status == "paused")
        with pytest.raises(TimeoutError, match="has not come to that"):
            await run.result(timeout="0.1s")
        await runtime.resume(run.id)
        await runtime.resolve(f"{run.id}/answer", 1)
        assert await waiting == 2


async def test_whoever_gives_up_leaves_the_others_waiting(url: str) -> None:
    async with app.open(url) as runtime:
        run = await runtime.start(answered(1))
        others = asyncio.ensure_future(run.result())
        with pytest.raises(TimeoutError):
            await run.result(timeout="0.05s")
        await runtime.resolve(f"{run.id}/answer", 4)
        assert await others == 5


async def test_a_store_that_can_be_asked_no_more_is_everybodys_error(url: str) -> None:
    async with app.connect(url) as client:
        lobby = Lobby(client.store, 0.01)
        with lobby.seat("one") as one, lobby.seat("two") as two:
            await asyncio.sleep(0)
            await client.store.close()
            for seat in (one, two):
                with pytest.raises(StoreError, match="closed"):
                    await seat
