"""The connection is lost: before, in the middle, after. What was acknowledged is there; what was not is found out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from holdfast.errors import CommitUnknown, StoreBusy
from holdfast.records.approval import Ruled
from holdfast.records.delta import Verdict
from holdfast.records.run import Status
from holdfast.store.base import Store
from holdfast.store.postgres import PostgresStore, links
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.nouns import ways
from tests.contract.desk import ask, asked, put, ruling
from tests.contract.making import AGENT, NOW, Hand, delta, entry, new_run
from tests.contract.stores import Place
from tests.postgres import schemas
from tests.postgres.proxy import Proxy


@asynccontextmanager
async def through_a_proxy(place: Place) -> AsyncIterator[tuple[Proxy, PostgresStore]]:
    async with Proxy(place.url) as proxy:
        store = await PostgresStore.open(proxy.url)
        try:
            yield proxy, store
        finally:
            await store.close()


@pytest.fixture(autouse=True)
def one_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the one for commits, so that it is known which connection knows which statement."""
    monkeypatch.setattr(ways, "LINKS", 1)


async def keep_back_answers(proxy: Proxy, store: PostgresStore) -> None:
    """From now on, once nothing is on its way."""
    if store._notifier._task is not None:
        await store._notifier._task
    proxy.answering.clear()


async def until(place: Place, question: str, answer: object) -> None:
    """Wait for what the server does while nobody hears of it."""
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(schemas.ask, place.url, question))[0][0] != answer:
            pass


async def test_lost_between_the_commit_and_its_answer_it_is_found_out_and_not_done_twice(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        hand = await Hand.hire(store, "w1")
        run = await hand.started()
        await hand.commit(delta(run, entries=(entry(1),)))
        await keep_back_answers(proxy, store)
        batch = [delta(run, entries=(entry(2),))]
        committing = asyncio.ensure_future(store.commit("w1", 2, batch))
        await until(place, "SELECT number FROM holdfast.batches", 2)
        proxy.cut()
        proxy.answering.set()
        with pytest.raises(CommitUnknown, match="again"):
            await committing
        assert await store.commit("w1", 2, batch) == [Verdict.APPLIED]
        assert [one.seq for one in await store.journal(run.id)] == [1, 2]


@pytest.mark.parametrize("reached", [1, 4_000, 900_000])
async def test_lost_in_the_middle_of_a_batch_nothing_of_it_is_there(place: Place, reached: int) -> None:
    async with through_a_proxy(place) as (proxy, store):
        hand = await Hand.hire(store, "w1")
        run = await hand.started()
        await hand.commit(delta(run, entries=(entry(1),)))
        proxy.forward = reached
        batch = [delta(run, entries=tuple(entry(n, value=b"x" * 10_000) for n in range(2, 102)))]
        with pytest.raises(CommitUnknown):
            await store.commit("w1", 2, batch)
        assert [one.seq for one in await store.journal(run.id)] == [1]
        assert await store.commit("w1", 2, batch) == [Verdict.APPLIED]
        assert len(await store.journal(run.id)) == 101


async def test_a_claim_whose_answer_was_lost_leaves_no_run_behind(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        hand = await Hand.hire(store, "w1")
        await store.start([new_run("a"), new_run("b")])
        (first,) = await hand.claim(1)
        await keep_back_answers(proxy, store)
        claiming = asyncio.ensure_future(hand.claim(1))
        await until(place, "SELECT count(*) FROM holdfast.runs WHERE status = 'running'", 2)
        proxy.cut()
        proxy.answering.set()
        with pytest.raises(CommitUnknown):
            await claiming
        (second,) = await hand.claim(5)
        assert (first.run.id, second.run.id, second.run.epoch) == ("a", "b", 2)
        assert await hand.commit(delta(first.run, entries=(entry(),))) == [Verdict.APPLIED]


async def test_a_claim_that_was_given_up_takes_nothing_when_it_arrives_late(store: Store, worker: Hand) -> None:
    assert isinstance(store, PostgresStore)
    await store.start([new_run("a")])
    late = (
        "SELECT rid FROM routines.claim('w1', 1, '{adjust}', '{1}', '{b}', 9, 1800000000000000, 'holdfast', "
        "'{}', '{}', '{}', '{}')"
    )
    await asyncio.to_thread(schemas.ask, store_url(store), "SELECT routines.give_up('w1', 1)")
    with pytest.raises(Exception, match="comes late"):
        await asyncio.to_thread(schemas.ask, store_url(store), late)
    assert [claimed.run.id for claimed in await worker.claim()] == ["a"]


def store_url(store: PostgresStore) -> str:
    return store.url  # the tests' server asks for no password, so what may be shown is all there is


async def test_a_start_whose_answer_was_lost_is_sent_again_by_itself(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        await store.start([new_run("warm")])
        await keep_back_answers(proxy, store)
        starting = asyncio.ensure_future(store.start([new_run("a", key="k")]))
        await until(place, "SELECT count(*) FROM holdfast.runs", 2)
        proxy.cut()
        proxy.answering.set()
        (started,) = await starting
        assert started.id == "a"
        assert await store.count() == {Status.QUEUED: 2}


async def test_a_resolution_whose_answer_was_lost_is_the_one_that_counts(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        await store.start([new_run("a"), new_run("b")])
        await store.resolve("b/p", ok=True, value=b"v", at=NOW)
        await keep_back_answers(proxy, store)
        resolving = asyncio.ensure_future(store.resolve("a/p", ok=True, value=b"v", at=NOW))
        await until(place, "SELECT count(*) FROM holdfast.promises", 2)
        proxy.cut()
        proxy.answering.set()
        assert await resolving
        assert not await store.resolve("a/p", ok=True, value=b"v", at=NOW)
        run = await store.get("a")
        assert run is not None and len(await store.news(run.rid, after=0)) == 1


async def test_idle_connections_that_were_lost_are_made_again(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        hand = await Hand.hire(store, "w1")
        run = await hand.started()
        await hand.commit(delta(run, entries=(entry(1),)))
        keeper = store.keeper("w1", ttl=60_000_000)
        assert await asyncio.to_thread(keeper.renew)
        proxy.cut()
        await asyncio.sleep(0)
        assert await store.get(run.id) is not None
        assert await asyncio.to_thread(keeper.renew)
        keeper.close()


async def test_a_watch_hears_again_after_its_connection_was_lost(place: Place, store: Store) -> None:
    async with through_a_proxy(place) as (proxy, watched):
        watch = watched.watch()
        proxy.cut()
        await store.start([new_run()])
        for _ in range(2):
            async with asyncio.timeout(20):
                await watch.wait(60)
            await store.start([new_run()])
        watch.close()


async def test_while_the_server_answers_nobody_only_the_first_who_listens_waits_for_it(
    place: Place, store: Store
) -> None:
    async with through_a_proxy(place) as (proxy, away):
        proxy.answering.clear()
        before = time.monotonic()
        everybody = [away.ears("run") for _ in range(60)]
        assert time.monotonic() - before < 30, "a second at the most, and not a second each"
        proxy.answering.set()
        async with asyncio.timeout(60):
            while not await everybody[-1].hear(0.05):
                store.tell("run", lambda: b"here again")


async def test_a_listener_that_reads_nothing_does_not_keep_everybodys_notifications(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a worker that is stopped for long: once the server's queue is full nobody could notify any more."""
    monkeypatch.setattr(links, "UNREAD_MS", 1_000)
    deaf = await links.listening(Address.of(place.url).dsn, ("flood", lambda *told: None))
    deaf._transport.pause_reading()
    flood = "SELECT pg_notify('flood', n || repeat('x', 7000)) FROM generate_series(1, 5000) AS n"
    await asyncio.to_thread(schemas.execute, place.url, flood)
    await until(place, f"SELECT count(*) FROM pg_stat_activity WHERE pid = {deaf.get_server_pid()}", 0)
    deaf.terminate()


async def test_while_nobody_listens_at_the_port_it_is_busy_and_then_goes_on(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        await store.start([new_run("a")])
        proxy.shut()
        with pytest.raises(StoreBusy, match="try again"):
            await store.get("a")
        await proxy.open_again()
        assert await store.get("a") is not None
        await store.register("w", host="here", pid=1, hosts=[AGENT], ttl=1)


async def test_a_ruling_lost_between_the_commit_and_its_answer_is_known_again(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        hand = await Hand.hire(store, "w1")
        run = await hand.started()
        (approval,) = await ask(hand, run, asked("a1"))
        assert await store.rule([], puts=[]) == []  # the connection knows the statement
        await keep_back_answers(proxy, store)
        deciding = asyncio.ensure_future(store.rule([ruling(approval)], puts=[put("quota")]))
        await until(place, "SELECT state FROM holdfast.approvals WHERE id = 'a1'", "approved")
        proxy.cut()
        proxy.answering.set()
        assert await deciding == [Ruled.APPLIED]
        assert len(await store.audited(subject="a1")) == len(await store.news(run.rid, after=0)) == 1
