"""Which runs go on only if somebody resumes them, or not at all: one question, however many are asked about."""

from __future__ import annotations

from holdfast.records.delta import Block, Suspend
from holdfast.records.run import Status
from holdfast.store.base import Store
from tests.contract.making import NOW, Hand, delta, finish, new_run


async def test_those_that_have_ended_or_were_stopped(store: Store, worker: Hand) -> None:
    ended = [await worker.started() for _ in range(3)]
    await worker.commit(*(delta(run, finish(status)) for run, status in zip(ended, sorted(ENDS), strict=True)))
    blocked, paused, waiting = [await worker.started() for _ in range(3)]
    await worker.commit(delta(blocked, Block(why=b"why")), delta(waiting, Suspend(wakes=0, wake_at=None)))
    queued = new_run()
    await store.start([queued])
    await store.pause(queued.id, why=b"why", at=NOW)
    stopped = {run.id for run in (*ended, blocked)} | {queued.id}
    asked = [*stopped, paused.id, waiting.id, "no such run"]
    assert set(await store.stopped(asked)) == stopped
    assert await store.stopped([]) == []


async def test_of_very_many(store: Store, worker: Hand) -> None:
    ended = await worker.started()
    await worker.commit(delta(ended, finish()))
    others = [new_run() for _ in range(500)]
    await store.start(others)
    assert await store.stopped([run.id for run in others] + [ended.id]) == [ended.id]


ENDS = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
