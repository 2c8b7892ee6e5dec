"""A synchronous standby: what was acknowledged is there too; a wait for it that was broken off acknowledges nothing."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from holdfast.errors import CommitUnknown
from holdfast.records.delta import Verdict
from holdfast.store.postgres import PostgresStore
from tests.contract.making import Hand, delta, entry
from tests.postgres.server import Server

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'holdfast'"


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
