"""start() returned: the run is there, once."""

from __future__ import annotations

import pytest

from holdfast.errors import StoreRejected
from holdfast.records.run import Status
from holdfast.store.base import RunFilter, Store
from tests.contract.making import NOW, Hand, child_of, delta, finish, new_run
from tests.contract.stores import Place, output, process


async def test_a_started_run_is_found_by_id_and_by_key_as_it_was_given(store: Store) -> None:
    new = new_run(key="k", priority=3, timeout=5, input=b"\x00in", digest=b"d\x00")
    (started,) = await store.start([new])
    assert (started.id, started.created, started.digest) == (new.id, True, new.digest)
    run = await store.get(new.id)
    assert run is not None and run == await store.by_key("adjust", "k")
    assert (run.status, run.input, run.digest, run.priority) == (Status.QUEUED, b"\x00in", b"d\x00", 3)
    assert (run.created_at, run.deadline_at, run.started_at, run.epoch) == (NOW, NOW + 5, None, 0)
    assert (run.root, run.parent, run.worker, run.result, run.error) == (new.id, None, None, None, None)


async def test_the_same_key_never_starts_a_second_run(store: Store) -> None:
    first = new_run(key="k", digest=b"one")
    await store.start([first])
    (again,) = await store.start([new_run(key="k", digest=b"two")])
    assert (again.id, again.created, again.digest) == (first.id, False, b"one")  # the caller sees the conflict
    assert await store.count() == {Status.QUEUED: 1}


async def test_keys_of_different_agents_do_not_meet(store: Store) -> None:
    started = await store.start([new_run(key="k"), new_run(key="k", agent="other")])
    assert [one.created for one in started] == [True, True]


async def test_the_same_id_is_left_as_it_is(store: Store) -> None:
    await store.start([new_run("x", input=b"first")])
    (again,) = await store.start([new_run("x", input=b"second")])
    run = await store.get("x")
    assert not again.created and run is not None and run.input == b"first"


async def test_repetitions_within_one_call_start_once(store: Store) -> None:
    one, two, three = new_run(key="k"), new_run(key="k"), new_run()
    started = await store.start([one, two, three, three])
    assert [(s.id, s.created) for s in started] == [
        (one.id, True), (one.id, False), (three.id, True), (three.id, False),
    ]  # fmt: skip


async def test_a_key_that_looks_like_an_id_is_another_thing(store: Store) -> None:
    started = await store.start([new_run("x"), new_run("y", key="x")])
    assert [one.created for one in started] == [True, True]


async def test_ten_thousand_start_at_once(store: Store) -> None:
    started = await store.start([new_run() for _ in range(10_000)])
    assert all(one.created for one in started) and await store.count() == {Status.QUEUED: 10_000}


async def test_a_child_of_nobody_is_rejected_and_nothing_starts(store: Store, worker: Hand) -> None:
    parent = await worker.started()
    orphan = child_of(parent)
    orphan = new_run(parent=type(orphan.parent)(run_id="nobody", key="k"))  # type: ignore[misc]
    with pytest.raises(StoreRejected, match="nobody"):
        await store.start([new_run("fine"), orphan])
    assert await store.get("fine") is None


async def test_what_no_text_can_hold_is_rejected(store: Store) -> None:
    with pytest.raises(StoreRejected):
        await store.start([new_run(key="\ud800")])
    assert await store.count() == {}


async def test_a_started_run_outlives_the_process(place: Place) -> None:
    script = """
import os
async def main():
    store = await open_url(url)
    await store.start([new_run("x", key="k")])
    os._exit(0)  # no farewell
asyncio.run(main())
"""
    output(process(place.url, script))
    store = await place.open()
    assert (await store.by_key("adjust", "k")) is not None
    await store.close()


async def test_find_filters_and_pages_newest_first(store: Store, worker: Hand) -> None:
    await store.start([new_run(f"r{n}", agent="adjust" if n % 2 else "other", key=f"k{n}") for n in range(6)])
    parent = await worker.claim_one()
    await worker.commit(delta(parent, children=(child_of(parent, "r7"),)))
    await worker.commit(delta(parent, finish()))

    async def ids(**which: object) -> list[str]:
        return [run.id for run in await store.find(RunFilter(**which))]  # type: ignore[arg-type]

    assert await ids() == ["r7", "r5", "r4", "r3", "r2", "r1", "r0"]
    assert await ids(agent="other") == ["r4", "r2", "r0"]
    assert await ids(limit=2) == ["r7", "r5"] and await ids(limit=2, before="r5") == ["r4", "r3"]
    assert await ids(parent="r1") == ["r7"] and await ids(parent="unknown") == []
    assert "r7" not in await ids(roots_only=True)
    assert await ids(statuses=(Status.SUCCEEDED, Status.CANCELLED)) == ["r7", "r1"]
    assert await ids(key="k3", agent="adjust") == ["r3"]
