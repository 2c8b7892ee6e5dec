"""A promise resolves once, whenever that happens."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import UnknownRun
from holdfast.records.delta import NewPromise
from holdfast.store.base import Store
from tests.contract.making import NOW, Hand, delta, finish, new_run


async def test_it_resolves_once(store: Store, worker: Hand) -> None:
    run = await worker.started()
    name = f"{run.id}/ask"
    await worker.commit(delta(run, promises=(NewPromise(id=name, key="ask", schema=b'{"type": "string"}'),)))
    assert await store.schema(name) == b'{"type": "string"}'
    answers = await asyncio.gather(*(store.resolve(name, ok=True, value=b"%d" % n, at=NOW) for n in range(5)))
    assert sorted(answers) == [False] * 4 + [True]
    (news,) = await store.news(run.rid, after=0)
    assert news.key == "ask" and news.value == b"%d" % answers.index(True)


async def test_it_may_be_resolved_before_it_is_declared(store: Store, worker: Hand) -> None:
    run = await worker.started()
    name = f"{run.id}/branch/ask"
    assert await store.schema(name) is None
    assert await store.resolve(name, ok=False, value=b"no", at=NOW)
    assert await store.schema(name) is None
    await worker.commit(delta(run, promises=(NewPromise(id=name, key="branch/ask", schema=b"{}"),)))
    assert await store.schema(name) == b"{}"
    assert not await store.resolve(name, ok=True, value=b"yes", at=NOW)
    (news,) = await store.news(run.rid, after=0)
    assert (news.key, news.ok, news.value) == ("branch/ask", False, b"no")


async def test_a_run_that_was_never_claimed_can_be_told(store: Store, worker: Hand) -> None:
    await store.start([new_run("early")])
    assert await store.resolve("early/p", ok=True, value=b"v", at=NOW)
    (claimed,) = await worker.claim()
    assert [news.key for news in claimed.history.news] == ["p"]


async def test_an_ended_run_is_told_nothing(store: Store, worker: Hand) -> None:
    run = await worker.started()
    await worker.commit(delta(run, finish()))
    assert not await store.resolve(f"{run.id}/p", ok=True, value=b"v", at=NOW)
    assert await store.news(run.rid, after=0) == []


async def test_an_unknown_run_is_an_error(store: Store) -> None:
    with pytest.raises(UnknownRun, match="nobody"):
        await store.resolve("nobody/p", ok=True, value=b"v", at=NOW)
