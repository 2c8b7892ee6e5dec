"""A synchronous standby: what was acknowledged is there too; a wait for it that was broken off acknowledges nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg
import pytest

from holdfast.errors import CommitUnknown, LeaseLost
from holdfast.records.delta import Verdict
from holdfast.store.postgres import PostgresStore
from tests.contract.making import MINUTE, Hand, delta, entry, new_run
from tests.contract.stores import Place
from tests.postgres import schemas
from tests.postgres.server import Server

WAITING = "SELECT pid, query_start FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'holdfast'"


async def want_a_standby(con: asyncpg.Connection, server: Server) -> None:
    """From now on every commit waits for a standby that there is not; the server takes a moment to begin."""
    await con.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    await con.execute("SELECT pg_reload_conf()")
    probe = await asyncpg.connect(server.url)
    waits = f"SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid = {probe.get_server_pid()}"
    writing = asyncio.ensure_future(probe.execute("CREATE TABLE public.probe ()"))
    while not await con.fetchval(waits):
        if writing.done():
            await writing
            writing = asyncio.ensure_future(probe.execute("DROP TABLE public.probe; CREATE TABLE public.probe ()"))
    probe.terminate()
    await asyncio.gather(writing, return_exceptions=True)


async def test_an_interrupted_wait_for_the_standby_is_an_unknown_outcome(server: Server) -> None:
    server.start()
    schemas.ask(server.url, "ALTER ROLE postgres SET client_min_messages = error")  # the server says so in a warning
    store = await PostgresStore.open(server.url)
    hand = await Hand.hire(store, "w1")
    run = await hand.started()
    con = await asyncpg.connect(server.url)
    await want_a_standby(con, server)
    batch = [delta(run, entries=(entry(),))]
    for _ in range(2):  # sent again it waits again, though it is applied: it is not where it should be
        committing = asyncio.ensure_future(store.commit("w1", 1, batch))
        while not (waiting := await con.fetch(WAITING)):
            assert not committing.done()
        await con.execute("SELECT pg_cancel_backend($1)".replace("$1", str(waiting[0][0])))
        with pytest.raises(CommitUnknown, match="standby"):
            await committing
    await con.execute("ALTER SYSTEM RESET synchronous_standby_names")
    await con.execute("SELECT pg_reload_conf()")
    assert await store.commit("w1", 1, batch) == [Verdict.APPLIED]
    assert len(await store.journal(run.id)) == 1
    await con.close()
    await store.close()


async def test_while_the_standby_is_away_a_worker_keeps_its_lease(server: Server) -> None:
    """What waits for the standby holds no row that the lease is renewed in: neither a commit nor a claim."""
    server.start()
    store = await PostgresStore.open(server.url)
    hand = await Hand.hire(store, "w1")
    await store.start([new_run("a")])
    con = await asyncpg.connect(server.url)
    await want_a_standby(con, server)
    keeper = store.keeper("w1", ttl=MINUTE)
    async with asyncio.timeout(60):
        (claimed,) = await hand.claim()
        assert await asyncio.to_thread(keeper.renew)
    committing = asyncio.ensure_future(store.commit("w1", 1, [delta(claimed.run, entries=(entry(),))]))
    while not await con.fetch(WAITING):
        assert not committing.done()
    async with asyncio.timeout(60):
        assert await asyncio.to_thread(keeper.renew)
    await con.execute("ALTER SYSTEM RESET synchronous_standby_names")
    await con.execute("SELECT pg_reload_conf()")
    assert await committing == [Verdict.APPLIED]
    keeper.close()
    await con.close()
    await store.close()


@pytest.mark.parametrize("lost", [False, True], ids=["the next claim", "a claim without an answer"])
async def test_a_worker_whose_claims_are_forgotten_owns_nothing(place: Place, lost: bool) -> None:
    """After a fail-over it could else claim the same run in the same epoch, beside what it has of it in memory."""
    store = await place.open()
    hand = await Hand.hire(store, "w1")
    await hand.started(id="a")
    assert await hand.claim() == []
    schemas.execute(
        place.url,
        "UPDATE holdfast.runs SET status = 'queued', worker = NULL, epoch = 0, started_at = NULL",
        "DELETE FROM holdfast.activations",
        "UPDATE holdfast.workers SET claims = 0",
    )
    if lost:
        with pytest.raises(asyncio.CancelledError):
            await cancelled(hand.claim())
    with pytest.raises(LeaseLost, match="forgotten"):
        await hand.claim()
    assert [claimed.run.epoch for claimed in await (await Hand.hire(store, "w2")).claim()] == [1]
    await store.close()


async def cancelled(claiming: Coroutine[Any, Any, object]) -> None:
    """Begin to claim, and be cancelled once the claim is on its way."""
    task = asyncio.ensure_future(claiming)
    while not any(one.get_name() == "holdfast-claim" for one in asyncio.all_tasks()):  # noqa: ASYNC110  # it has no event
        await asyncio.sleep(0)
    task.cancel()
    await task
