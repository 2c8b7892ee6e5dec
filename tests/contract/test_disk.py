"""A full disk, a failing disk: nothing acknowledged is lost, nothing refused is half there."""

from __future__ import annotations

import pytest

from holdfast.errors import StoreBusy
from holdfast.records.delta import Verdict
from holdfast.records.run import Status
from holdfast.store.base import Store
from tests.contract.making import Hand, delta, entry, new_run
from tests.contract.stores import Place


async def test_a_full_disk_passes_and_nothing_acknowledged_is_lost(place: Place, store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, entries=(entry(1),)))
    acknowledged = 1
    with place.full_disk(store):
        for seq in range(2, 1000):
            try:
                await worker.commit(delta(run, entries=(entry(seq, value=b"x" * 3000),)))
            except StoreBusy:
                break
            acknowledged = seq
        else:
            pytest.fail("the disk never filled")
        with pytest.raises(StoreBusy):
            await store.start([new_run(input=b"x" * 100_000) for _ in range(100)])
        assert len(await store.journal(run.id, limit=2000)) == acknowledged  # reading goes on
    assert await worker.commit(delta(run, entries=(entry(acknowledged + 1),))) == [Verdict.APPLIED]
    assert [one.seq for one in await store.journal(run.id, limit=2000)] == list(range(1, acknowledged + 2))
    assert await store.count() == {Status.RUNNING: 1}
