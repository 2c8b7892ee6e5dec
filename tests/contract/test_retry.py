"""A retry goes back to before what made the run fail, and leaves standing what has happened all the same."""

from __future__ import annotations

import pytest

from holdfast.records.delta import Finish
from holdfast.records.journal import Kind, Op
from holdfast.records.run import Status
from holdfast.store.base import Store
from tests.contract.making import NOW, Hand, delta, entry


@pytest.mark.parametrize("op", [Op.STEP, Op.TOOL, Op.MODEL])
async def test_an_effect_begun_before_the_failure_is_kept_of_whatever_kind(store: Store, worker: Hand, op: Op) -> None:
    run = await worker.started()
    begun = entry(1, kind=Kind.INTENT, op=op, key="begun#1", guarded=True)
    failed = entry(2, key="failed#1", ok=False)
    ended = entry(3, op=op, key="begun#1", guarded=True)
    await worker.commit(delta(run, entries=(begun, failed, ended)))
    await worker.commit(delta(run, Finish(status=Status.FAILED, value=b"why", at=NOW, because=2)))
    assert await store.retry(run.id, at=NOW)
    (claimed,) = await worker.claim()
    assert [(one.seq, one.key) for one in claimed.history.entries] == [(1, "begun#1"), (3, "begun#1")]
