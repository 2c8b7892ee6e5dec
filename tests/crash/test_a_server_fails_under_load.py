"""The database itself fails: restarted, crashed, replaced by its standby. Workers go on; nothing acknowledged is lost.

A worker holds its lease through all of it, so no step begins twice: each begins once, and is recorded once.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator

import asyncpg
import pytest

from holdfast import App, Context, Settings
from holdfast.records.run import Status
from tests.crash.ledger import noted
from tests.crash.place import Place
from tests.crash.processes import Nursery, Process, asked_to_stop
from tests.crash.records import Snapshot, runs
from tests.postgres.server import Server
from tests.waiting import until

RUNS, STEPS = 24, 30
SETTINGS = Settings(poll=0.05, linger=0.02, concurrency=RUNS, lease=60.0)  # a server may take long to come back
app = App("load")


async def add(n: int) -> int:
    with noted():
        await asyncio.sleep(0.01)
        return n + 1


@app.agent
async def count(ctx: Context, n: int) -> int:
    for _ in range(STEPS):
        n = await ctx.step(add, n)
    return n


@pytest.fixture(scope="module")
def kind() -> str:
    return "postgres"


@pytest.fixture
def servers() -> Iterator[Callable[[], Server]]:
    """Makes servers of this test's own."""
    made: list[Server] = []

    def make() -> Server:
        made.append(Server())
        return made[-1]

    yield make
    for server in made:
        server.remove()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["restart", "crash", "power"])
def test_a_server_is_restarted_while_workers_work(
    how: signal.Signals, place: Place, nursery: Nursery, servers: Callable[[], Server]
) -> None:
    server = servers()
    server.make()
    server.start()
    place.store = server.url
    workers = _begin(place, nursery)
    for share in (0.2, 0.4, 0.6):
        until(lambda share=share: _begun(place) > share * RUNS * STEPS, "some of the work is done")
        if how is signal.SIGKILL:
            server.kill()
            server.start()
        else:
            server.restart(how)
    _all_is_done_once(place, workers)


def test_the_primary_dies_and_its_standby_has_all_that_was_acknowledged(
    place: Place, nursery: Nursery, servers: Callable[[], Server]
) -> None:
    primary, standby = _pair(place, servers)
    _execute(primary.url, "ALTER SYSTEM SET synchronous_standby_names = 'second'", "SELECT pg_reload_conf()")
    until(lambda: _standbys(primary) == ["sync"], "the standby is synchronous")
    workers = _begin(place, nursery)
    until(lambda: _begun(place) > 0.4 * RUNS * STEPS, "some of the work is done")
    primary.kill()
    # Steps that ran meanwhile are not acknowledged: they wait for a server, and are recorded there.
    standby.promote()
    _all_is_done_once(place, workers)


def test_a_standby_that_lacks_the_last_commits_costs_repeated_steps_and_no_run(
    place: Place, nursery: Nursery, servers: Callable[[], Server]
) -> None:
    """Without a synchronous standby a fail-over may go back in time: workers find out, and take up what is there."""
    primary, standby = _pair(place, servers)
    workers = _begin(place, nursery)
    until(lambda: _begun(place) > 0.2 * RUNS * STEPS, "some of the work is done")
    (primary_is_at,) = _execute(primary.url, "SELECT pg_current_wal_lsn()::text")[0]
    has_it = f"SELECT pg_last_wal_replay_lsn() >= '{primary_is_at}'::pg_lsn"
    until(lambda: _execute(standby.url, has_it)[0][0], "the standby has it")
    standby.stop()
    until(lambda: _begun(place) > 0.5 * RUNS * STEPS, "more of it is done, and the standby lacks it")
    primary.kill()
    standby.start()
    standby.promote()
    until(lambda: _ended(place), "all runs have ended well")
    for worker in workers:
        worker.stop_nicely()
    recorded = Snapshot.take(place.store).recorded
    assert set(place.accepted) == set(recorded)
    assert {len(one.entries) for one in recorded.values()} == {STEPS}


def _pair(place: Place, servers: Callable[[], Server]) -> tuple[Server, Server]:
    """A primary and a standby that follows it; the store is at both."""
    primary, standby = servers(), servers()
    primary.make()
    primary.start()
    standby.follow(primary, "second")
    standby.start()
    place.store = primary.url.replace(f":{primary.port}", f":{primary.port},127.0.0.1:{standby.port}")
    return primary, standby


def _begin(place: Place, nursery: Nursery) -> list[Process]:
    async def start() -> None:
        async with app.connect(place.store) as client:
            for run in await client.start_all([count(n) for n in range(RUNS)]):
                place.accept(run.id, run.id)

    asyncio.run(start())
    return [nursery.fork(lambda: _work(place), f"worker {n}") for n in (1, 2)]


async def _work(place: Place) -> None:
    place.ledger.use_here()
    async with app.open(place.store, settings=SETTINGS):
        await asked_to_stop()


def _all_is_done_once(place: Place, workers: list[Process]) -> None:
    until(lambda: _ended(place), "all runs have ended")
    for worker in workers:
        worker.stop_nicely()
    recorded = Snapshot.take(place.store).recorded
    assert set(place.accepted) == set(recorded)
    assert {len(one.entries) for one in recorded.values()} == {STEPS}
    assert sorted(int(one.run.result[1:]) for one in recorded.values() if one.run.result) == [
        n + STEPS for n in range(RUNS)
    ]
    begun = place.ledger.begun()
    assert len(begun) == RUNS * STEPS
    assert set(begun.values()) == {1}, "a step that was acknowledged began again"
    assert {one.run.epoch for one in recorded.values()} == {1}, "no run changed hands"


def _begun(place: Place) -> int:
    return sum(place.ledger.begun().values())


def _ended(place: Place) -> bool:
    found = runs(place.store)
    return len(found) == RUNS and all(run.status is Status.SUCCEEDED for run in found)


def _execute(url: str, *statements: str) -> list[asyncpg.Record]:
    async def execute() -> list[asyncpg.Record]:
        con = await asyncpg.connect(url)
        rows = [await con.fetch(statement) for statement in statements][-1]
        await con.close()
        return list(rows)

    return asyncio.run(execute())


def _standbys(primary: Server) -> list[str]:
    return [row[0] for row in _execute(primary.url, "SELECT sync_state FROM pg_stat_replication")]
