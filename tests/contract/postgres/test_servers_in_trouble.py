"""A server that is slow, blocked, crowded: what passes is told from what does not, and nobody holds up others."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from holdfast.errors import LeaseLost, StoreBusy
from holdfast.records.delta import Verdict
from holdfast.records.run import Run, Status
from holdfast.store.base import RunFilter, Store
from holdfast.store.postgres import PostgresStore, links
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.links import Limits, Links
from holdfast.store.postgres.statements import Names
from tests.contract.making import AGENT, MINUTE, NOW, Hand, child_of, delta, entry, finish, group, new_run
from tests.contract.stores import Place, output, process
from tests.postgres import schemas

SHORT = 1_500_000  # a lease of so many microseconds: the server's limits are fractions of it
HOUR = 3_600_000_000
LOOKS = 200


@asynccontextmanager
async def foreign(place: Place) -> AsyncIterator[tuple[asyncpg.Connection, Names]]:
    """Somebody else's session, which keeps what it has locked until the end."""
    address = Address.of(place.url)
    con = await asyncpg.connect(address.dsn)
    await con.execute("BEGIN")
    try:
        yield con, Names(address.schema)
    finally:
        con.terminate()


@asynccontextmanager
async def slowly(place: Place, table: str, seconds: float) -> AsyncIterator[None]:
    """While inside, each row that is inserted into a table takes its time."""
    schema = Names(Address.of(place.url).schema).quoted
    body = f"BEGIN PERFORM pg_sleep({seconds}); RETURN new; END"
    await asyncio.to_thread(
        schemas.execute,
        place.url,
        f"CREATE FUNCTION {schema}.dawdle() RETURNS trigger LANGUAGE plpgsql AS '{body}'",
        f"CREATE TRIGGER dawdle BEFORE INSERT ON {schema}.{table} FOR EACH ROW EXECUTE FUNCTION {schema}.dawdle()",
    )
    try:
        yield
    finally:
        await asyncio.to_thread(schemas.execute, place.url, f"DROP FUNCTION {schema}.dawdle CASCADE")


async def lock(con: asyncpg.Connection, names: Names, run: Run, how: str = "") -> None:
    await con.execute(names(f"SELECT FROM holdfast.runs WHERE rid = {run.rid} FOR UPDATE {how}"))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as a lease of a minute, so that nobody's wait ends before this test has seen it."""
    monkeypatch.setattr(links, "LEASE_MS", 60_000)


@asynccontextmanager
async def short_limits(store: Store) -> AsyncIterator[None]:
    """While inside, the server gives up as if the lease were short; nobody's is."""
    await Hand.hire(store, "hasty", ttl=SHORT)
    yield
    await Hand.hire(store, "patient")


async def test_a_row_that_somebody_holds_is_waited_for_not_for_longer_than_the_lease(
    place: Place, store: Store
) -> None:
    run = await (await Hand.hire(store, "w1")).started()
    async with foreign(place) as (con, names), short_limits(store):
        await lock(con, names, run)
        with pytest.raises(StoreBusy, match="holds a row"):
            await store.commit("w1", 1, [delta(run, entries=(entry(),))])
    assert await store.commit("w1", 1, [delta(run, entries=(entry(),))]) == [Verdict.APPLIED]


async def test_a_statement_that_takes_too_long_is_stopped_and_may_be_sent_again(place: Place, store: Store) -> None:
    run = await (await Hand.hire(store, "w1")).started()
    async with slowly(place, "journal", 600), short_limits(store):
        with pytest.raises(StoreBusy, match="too long"):
            await store.commit("w1", 1, [delta(run, entries=(entry(),))])
    assert await store.commit("w1", 1, [delta(run, entries=(entry(),))]) == [Verdict.APPLIED]


async def test_of_two_that_wait_for_each_other_one_gives_way_and_nothing_is_half_done(
    place: Place, store: Store
) -> None:
    hand = await Hand.hire(store, "w1")
    first, second = await hand.started(), await hand.started()
    batch = [delta(first, entries=(entry(),)), delta(second, entries=(entry(),))]
    async with foreign(place) as (con, names):
        await lock(con, names, second)
        committing = asyncio.ensure_future(store.commit("w1", 1, batch))
        await waiting_for_a_lock(place, con)  # it holds the first, and waits for the second
        with pytest.raises((StoreBusy, asyncpg.DeadlockDetectedError)):
            await asyncio.gather(committing, lock(con, names, first))
        con.terminate()
        if not committing.done() or committing.exception() is not None:
            await asyncio.wait({committing})
    if committing.exception() is not None:
        assert isinstance(committing.exception(), StoreBusy)
        assert await store.journal(first.id) == [] == await store.journal(second.id)
    assert await store.commit("w1", 1, batch) == [Verdict.APPLIED] * 2
    assert len(await store.journal(first.id)) == len(await store.journal(second.id)) == 1


async def waiting_for_a_lock(place: Place, holder: asyncpg.Connection) -> None:
    """Until somebody waits for what a connection holds; others may wait for other things, in other tests' schemas."""
    con = await asyncpg.connect(Address.of(place.url).dsn)
    question = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND $1 = ANY (pg_blocking_pids(pid))"
    )
    while not await con.fetchval(question, holder.get_server_pid()):
        pass
    await con.close()


@asynccontextmanager
async def several(place: Place, count: int) -> AsyncIterator[list[Hand]]:
    """Workers that share nothing but the database."""
    stores = [await place.open() for _ in range(count)]
    yield [await Hand.hire(store, f"w{n}") for n, store in enumerate(stores)]
    for store in stores:
        await store.close()


async def test_batches_that_touch_each_others_runs_make_no_ring(place: Place, store: Store) -> None:
    """Rows are locked in one order: there is no deadlock, whatever is in the batches."""
    await store.start([new_run(f"r{n}") for n in range(8)])
    async with several(place, 4) as hands:
        owned = [[claimed.run for claimed in await hand.claim(2)] for hand in hands]

        async def work(n: int) -> None:
            for number in range(1, 40):
                runs = owned[n] if number % 2 else owned[n][::-1]
                batch = [delta(run, entries=(entry(number),)) for run in runs]
                assert await hands[n].commit(*batch) == [Verdict.APPLIED] * 2
                for other in range(8):
                    await hands[n].store.resolve(f"r{other}/{n}-{number}", ok=True, value=b"", at=NOW)

        await asyncio.gather(*(work(n) for n in range(4)))


async def test_batches_that_tell_the_same_parents_in_opposite_orders_make_no_ring(place: Place, store: Store) -> None:
    async with several(place, 2) as hands, slowly(place, "inbox", 0.03):
        await store.start([new_run(), new_run()])
        parents = [claimed.run for claimed in await hands[0].claim()]
        for n in range(4):
            brood = [(parent, child_of(parent, f"{parent.id}-{n}-{hand.id}")) for hand in hands for parent in parents]
            await hands[0].commit(*(delta(parent, children=(child,)) for parent, child in brood))
            mine = [[claimed.run for claimed in await hand.claim(2)] for hand in hands]
            orders = [
                sorted(runs, key=lambda run: run.id, reverse=reverse)
                for runs, reverse in zip(mine, (0, 1), strict=True)
            ]
            ends = [
                hand.commit(*(delta(run, finish()) for run in runs)) for hand, runs in zip(hands, orders, strict=True)
            ]
            assert await asyncio.gather(*ends) == [[Verdict.APPLIED] * 2] * 2


async def test_children_that_end_everywhere_while_their_parents_are_cancelled_make_no_ring(
    place: Place, store: Store
) -> None:
    async with several(place, 4) as hands:
        await store.start([new_run(f"p{n}") for n in range(4)])
        for parent in [claimed.run for claimed in await hands[0].claim()]:
            brood = [child_of(parent, f"{parent.id}-{n}", map=7, ord=n, branch=n, held=n >= 5) for n in range(20)]
            await hands[0].commit(delta(parent, groups=(group(total=20, limit=5),), children=tuple(brood)))

        async def work(hand: Hand) -> None:
            while claimed := await hand.claim(3):
                await hand.commit(*(delta(one.run, finish()) for one in claimed))

        async def cancel() -> None:
            for n in range(4):
                await store.cancel(f"p{n}", reason="enough", at=NOW)

        await asyncio.gather(*map(work, hands), cancel())
        parents = [run for n in range(4) if (run := await store.get(f"p{n}"))]
        await hands[0].commit(*(delta(run, finish()) for run in parents))
        while any([await hand.claim() for hand in hands]):
            pass
    found = await store.count(RunFilter(statuses=(Status.QUEUED, Status.WAITING)))
    assert found == {}, "all of them were reached, by their turn or by the cancel"


async def test_when_all_connections_are_busy_commits_go_on_and_the_rest_is_told(
    store: Store, worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(store, PostgresStore)
    run = await worker.started()
    monkeypatch.setattr(links, "TURN_S", 0.05)
    async with AsyncExitStack() as stack:
        for _ in range(store._links._size):
            await stack.enter_async_context(store._links.reading())
        with pytest.raises(StoreBusy, match="connections of this process were busy"):
            await store.get(run.id)
        assert await worker.commit(delta(run, entries=(entry(),))) == [Verdict.APPLIED]
        keeper = store.keeper("w1", ttl=MINUTE)
        assert keeper.renew()
        keeper.close()
    assert await store.get(run.id) is not None


COMMIT = """
async def main():
    store = await open_url(url)
    hand = await Hand.hire(store, "stopped")
    (claimed,) = await hand.claim(1)
    print(claimed.run.rid, flush=True); sys.stdin.readline()
    print(await hand.commit(delta(claimed.run, entries=(entry(),))), flush=True)
    await store.close()
asyncio.run(main())
"""


async def test_a_worker_that_is_stopped_inside_a_transaction_holds_no_lock(place: Place, store: Store) -> None:
    """Its transaction is one statement, which the server ends without it."""
    await store.start([new_run("a")])
    stopped = process(place.url, COMMIT)
    assert stopped.stdin is not None and stopped.stdout is not None
    stopped.stdout.readline()
    run = await store.get("a")
    assert run is not None
    async with foreign(place) as (con, names):
        await lock(con, names, run)
        stopped.stdin.write("go\n")
        stopped.stdin.flush()
        await waiting_for_a_lock(place, con)
        os.kill(stopped.pid, signal.SIGSTOP)
    assert await store.resolve("a/p", ok=True, value=b"", at=NOW)  # which locks the row, behind it or before it
    async with asyncio.timeout(60):
        while len(await store.journal("a")) != 1:  # what it had sent is done
            pass
    os.kill(stopped.pid, signal.SIGCONT)
    assert "APPLIED" in await asyncio.to_thread(output, stopped)


async def test_a_transaction_that_its_worker_leaves_open_is_ended_by_the_server(place: Place, store: Store) -> None:
    """Through a pooler a statement is sent inside of one: there the server sees to it that none stays open."""
    await store.start([new_run("a")])
    run = await store.get("a")
    assert run is not None
    address = Address.of(place.url)
    names = Names(address.schema)
    left = Links(address, names, size=1, pooled=True)
    left.limits = Limits.of_lease(SHORT // 1000)
    link = await left.take()
    await link.con.execute(f"BEGIN; {left.limits.sql('LOCAL')}")
    await lock(link.con, names, run)  # and no more is heard of it
    assert await store.resolve("a/p", ok=True, value=b"", at=NOW)
    await left.close()


async def test_a_worker_whose_clock_is_an_hour_off_takes_nothing_from_others(store: Store, worker: Hand) -> None:
    """Leases are in the database's time; a wrong clock moves its own timers only."""
    run = await worker.started()
    other = await Hand.hire(store, "w2")
    for now in (NOW + HOUR, NOW - HOUR):
        assert await other.claim(now=now) == []
    assert {one.id for one in await store.workers()} == {"w1", "w2"}
    assert await worker.commit(delta(run, entries=(entry(),))) == [Verdict.APPLIED]
    worker.lose_lease()
    (taken,) = await other.claim(now=NOW - HOUR)
    assert taken.run.id == run.id


async def test_a_renewal_waits_for_no_commit(place: Place, store: Store) -> None:
    hand = await Hand.hire(store, "w1")
    run = await hand.started()
    async with foreign(place) as (con, names):
        await lock(con, names, run)
        committing = asyncio.ensure_future(store.commit("w1", 1, [delta(run, entries=(entry(),))]))
        await waiting_for_a_lock(place, con)
        keeper = store.keeper("w1", ttl=MINUTE)
        assert await asyncio.to_thread(keeper.renew)
        assert not committing.done(), "it waits still"
        keeper.close()
    assert await committing == [Verdict.APPLIED]


async def test_the_last_commit_of_a_dead_worker_is_waited_for_before_its_runs_are_taken(
    place: Place, store: Store
) -> None:
    hand = await Hand.hire(store, "w1")
    run = await hand.started()
    heir = await Hand.hire(store, "w2")
    async with foreign(place) as (con, names):
        await lock(con, names, run)
        committing = asyncio.ensure_future(store.commit("w1", 1, [delta(run, entries=(entry(),))]))
        await waiting_for_a_lock(place, con)
        hand.lose_lease()
        assert await heir.claim() == []
    assert await committing == [Verdict.APPLIED]
    (taken,) = await heir.claim()
    assert (taken.run.id, len(taken.history.entries)) == (run.id, 1)
    with pytest.raises(LeaseLost):
        await store.commit("w1", 2, [delta(run, entries=(entry(2),))])


async def test_a_renewal_that_was_slower_than_its_lease_still_keeps_the_runs(place: Place, store: Store) -> None:
    """It began before the lease ended, so the worker was told that it holds it."""
    hand = await Hand.hire(store, "w1")
    run = await hand.started()
    heir = await Hand.hire(store, "w2")
    hand.lose_lease()
    async with foreign(place) as (con, names):
        await con.execute(names("UPDATE holdfast.workers SET expires_at = expires_at + 60000000 WHERE id = 'w1'"))
        claiming = asyncio.ensure_future(heir.claim())
        await waiting_for_a_lock(place, con)
        await con.execute("COMMIT")
        assert await claiming == []
    assert await hand.commit(delta(run, entries=(entry(),))) == [Verdict.APPLIED]


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "as behind a pooler"])
async def test_whatever_isolation_the_role_has_been_set_to_a_batch_sees_what_it_has_waited_for(
    place: Place, pooled: bool
) -> None:
    """The fence is a lock that is waited for: a snapshot from before would refuse what it finds."""
    schemas.execute(place.url, "ALTER ROLE postgres SET default_transaction_isolation = 'serializable'")
    try:
        store = await PostgresStore.open(place.url)
        store._commits.pooled = pooled
        hand = await Hand.hire(store, "w1")
        run = await hand.started()
        async with foreign(place) as (con, names):
            await con.execute(names(f"UPDATE holdfast.runs SET progress = NULL WHERE rid = {run.rid}"))
            committing = asyncio.ensure_future(hand.commit(delta(run, entries=(entry(),))))
            await waiting_for_a_lock(place, con)
            await con.execute("COMMIT")
            assert await committing == [Verdict.APPLIED]
        await store.close()
    finally:
        schemas.execute(place.url, "ALTER ROLE postgres RESET default_transaction_isolation")


async def test_a_version_that_nobody_hosts_costs_no_write(store: Store, worker: Hand) -> None:
    """Idle workers look, and write nothing: else each would wake all the others for ever."""
    assert isinstance(store, PostgresStore)
    await store.start([new_run(agent="other")])
    con = await asyncpg.connect(store._address.dsn)
    question = "SELECT pg_current_xact_id()::text::bigint"
    before = await con.fetchval(question)
    for _ in range(LOOKS):
        assert await store.claim("w1", [AGENT], ["b"], limit=10, now=NOW) == []
        await store.woken("w1")
        await store.next_wake([AGENT])
    # This question itself is one, and the server's own housekeeping has some; each look would have one at least.
    assert await con.fetchval(question) < before + LOOKS / 2
    await con.close()
