"""A run that kills its worker each time must not kill every worker: it is blocked, the others go on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from holdfast import App, Call, Context, Settings, Status
from holdfast.codec import Failed
from tests.crash.ledger import noted
from tests.crash.place import Place
from tests.crash.processes import Nursery, Process, asked_to_stop
from tests.crash.records import run_of
from tests.waiting import until

SETTINGS = Settings(poll=0.05)
EXIT = 3
app = App("deadly")
_mended = Path()  # where a mended step would be; set in each process


async def explode(n: int, when: str) -> int:
    with noted():
        await asyncio.sleep(0.2 if when else 0)
        return _survive(n)


def _survive(n: int) -> int:
    if not _mended.exists():
        os._exit(EXIT)
    return n


async def work(n: int) -> int:
    with noted():
        await asyncio.sleep(0.01)
        return n + 1


async def take_long(n: int) -> int:
    with noted():
        await asyncio.sleep(0.25)
        return n + 1


@app.agent
async def deadly(ctx: Context, n: int, when: str = "") -> int:
    return await ctx.step(explode, await ctx.step(work, n), when)


@app.agent
async def harmless(ctx: Context, n: int) -> int:
    for _ in range(5):
        n = await ctx.step(work, n)
    return n


@app.agent
async def slow(ctx: Context, n: int) -> int:
    return await ctx.step(take_long, n)


def test_after_three_lost_workers_it_is_blocked_and_says_why(place: Place, nursery: Nursery) -> None:
    (run_id,) = _start(place, deadly(1))
    survivor = _fork_workers_until_blocked(place, nursery, run_id)

    run = run_of(place.store, run_id)
    why = Failed.unpack(run.error or b"").message
    assert "3 activations" in why and run_id in why and "resume" in why
    assert [times for step, times in place.ledger.begun().items() if "/explode#" in step] == [3]
    survivor.stop_nicely()


def test_other_runs_beside_it_go_on(place: Place, nursery: Nursery) -> None:
    run_id, *others = _start(place, deadly(1, "after a while"), *(harmless(n) for n in range(10)))
    _fork_workers_until_blocked(place, nursery, run_id)
    _assert_all_succeed(place, others)


def test_runs_that_never_got_to_record_anything_beside_it_go_on(place: Place, nursery: Nursery) -> None:
    run_id, *others = _start(place, deadly(1), *(slow(n) for n in range(5)))
    _fork_workers_until_blocked(place, nursery, run_id)
    _assert_all_succeed(place, others)


def test_mended_and_resumed_it_succeeds(place: Place, nursery: Nursery) -> None:
    (run_id,) = _start(place, deadly(1))
    survivor = _fork_workers_until_blocked(place, nursery, run_id)
    (place.folder / "mended").touch()
    _resume(place, run_id)
    until(lambda: run_of(place.store, run_id).status is Status.SUCCEEDED, "the run has succeeded")
    survivor.stop_nicely()
    assert [times for step, times in place.ledger.begun().items() if "/work#" in step] == [1]


def _fork_workers_until_blocked(place: Place, nursery: Nursery, run_id: str) -> Process:
    """Do what a supervisor does: a new worker for each that ends. The one that lives on."""
    for _ in range(5):
        worker = nursery.fork(lambda: _work(place), "a worker")
        blocked = until(
            lambda w=worker: _is_blocked(place, run_id) or (not w.alive and "dead"), "it is blocked, or kills"
        )
        if blocked is True:
            return worker
        assert os.waitstatus_to_exitcode(worker.status or 0) == EXIT
        place.bury(worker)
    raise AssertionError(f"run {run_id} was not blocked: it killed five workers")


def _assert_all_succeed(place: Place, run_ids: list[str]) -> None:
    at_rest = (Status.SUCCEEDED, Status.BLOCKED)
    until(lambda: all(run_of(place.store, id).status in at_rest for id in run_ids), "all of them are at rest")
    assert {run_of(place.store, id).status for id in run_ids} == {Status.SUCCEEDED}


def _is_blocked(place: Place, run_id: str) -> bool:
    return run_of(place.store, run_id).status is Status.BLOCKED


def _start(place: Place, *calls: Call[int]) -> list[str]:
    async def start() -> list[str]:
        async with app.connect(place.store) as client:
            return [run.id for run in await client.start_all(calls)]

    return asyncio.run(start())


def _resume(place: Place, run_id: str) -> None:
    async def resume() -> None:
        async with app.connect(place.store) as client:
            assert await client.resume(run_id)

    asyncio.run(resume())


async def _work(place: Place) -> None:
    global _mended
    _mended = place.folder / "mended"
    place.ledger.use_here()
    async with app.open(place.store, settings=SETTINGS):
        await asked_to_stop()
