"""Values come back as they went in, whatever their size; maps are read without them."""

from __future__ import annotations

import tracemalloc

import pytest

from holdfast.records.delta import Block
from holdfast.records.journal import Op
from holdfast.store.base import Store
from tests.contract.making import NOW, Hand, child_of, delta, entry, finish, fresh, group, item

SIZES = [0, 1, 4096, 4097, 1 << 20]


@pytest.mark.parametrize("size", SIZES)
async def test_any_size_comes_back(store: Store, worker: Hand, size: int) -> None:
    value = bytes(n % 256 for n in range(size))
    run = await worker.started(input=value)
    assert run.input == value
    await worker.commit(delta(run, entries=(entry(value=value, note=value),), items=(item(0, 2, value=value),)))
    await store.resolve(f"{run.id}/p", ok=True, value=value, at=NOW)
    (journaled,), (news,) = await store.journal(run.id), await store.news(run.rid, after=0)
    assert journaled.value == journaled.note == news.value == value
    assert store.item_values(run.rid, 7, [0]) == [value]
    await worker.commit(delta(run, finish(value=value)))
    assert (await fresh(store, run)).result == value


async def test_a_large_result_reaches_the_parent_and_its_item(store: Store, worker: Hand) -> None:
    value = b"x" * 100_000
    parent = await worker.started()
    member = child_of(parent, map=7, ord=4, branch=704, priority=1)
    await worker.commit(delta(parent, groups=(group(total=1),), children=(member, child_of(parent, key="c#1"))))
    for claimed in await worker.claim():
        await worker.commit(delta(claimed.run, finish(value=value)))
    assert [(one.op, one.value) for one in await store.news(parent.rid, after=0)] == [(Op.MAP, b""), (Op.CHILD, value)]
    await worker.commit(delta(parent, items=(item(4, 1, value=None),)))
    assert store.item_values(parent.rid, 7, [4]) == [value]


async def test_why_a_run_is_blocked_may_be_long(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, Block(why=b"y" * 50_000)))
    assert (await fresh(store, run)).error == b"y" * 50_000


async def test_items_are_indexed_by_seq_and_values_read_in_the_order_asked(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, items=(item(2, 5), item(0, 6, ok=False), item(1, 3, map=8, branch=-1))))
    maps = (await store.load(run.rid)).maps
    index = maps[7]
    assert (list(index.ords), list(index.branches), list(index.seqs)) == ([2, 0], [702, 700], [5, 6])
    assert (list(index.ats), list(index.oks)) == ([NOW, NOW], [1, 0])
    assert list(maps[8].branches) == [-1]
    assert store.item_values(run.rid, 7, [0, 2]) == [b"v0", b"v2"]
    assert store.item_values(run.rid, 7, [2, 0, 2]) == [b"v2", b"v0", b"v2"]


async def test_what_finished_branches_did_is_left_out(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, entries=(entry(1), entry(2, branch=700), entry(3, branch=701))))
    inner = (item(0, 4, map=8, branch=800, within=700), item(0, 5, map=9, branch=900, within=701))
    await worker.commit(delta(run, items=(*inner, item(0, 6))))
    history = await store.load(run.rid)
    assert [one.seq for one in history.entries] == [1, 3]
    assert sorted(history.maps) == [7, 9]
    assert [one.seq for one in await store.journal(run.id)] == [1, 2, 3]


async def test_a_hundred_thousand_items_load_without_an_object_each(store: Store, worker: Hand) -> None:
    run = await worker.started()
    for first in range(0, 100_000, 10_000):
        items = tuple(item(n, n + 1, branch=n * 7919, value=b"v" * 100) for n in range(first, first + 10_000))
        await worker.commit(delta(run, items=items))
    tracemalloc.start()
    kept = await store.load(run.rid)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept.maps[7].ords) == kept.maps[7].seqs[-1] == 100_000 and size < 6_000_000
