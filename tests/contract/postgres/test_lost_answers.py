"""The answer to what somebody asked for is lost: it was done once, and whoever asked is told that it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from holdfast.errors import CommitUnknown
from holdfast.records.delta import Block
from holdfast.records.repair import Fork
from holdfast.records.run import Started, Status
from holdfast.store import insisting
from holdfast.store.postgres import PostgresStore
from tests.contract.making import NOW, Hand, delta, finish, new_run
from tests.contract.postgres.test_lost_connections import keep_back_answers, one_link, through_a_proxy, until
from tests.contract.postgres.test_standbys import WAITING, want_a_standby
from tests.contract.stores import Place
from tests.postgres import schemas
from tests.postgres.proxy import Proxy
from tests.postgres.server import Server

__all__ = ["one_link"]  # a fixture

DONE = "SELECT coalesce((SELECT {0} FROM holdfast.runs WHERE id = 'run-a'), NOT EXISTS (SELECT FROM holdfast.runs))"


@dataclass(frozen=True)
class Verb:
    """What may be asked for: of a run ``run-a`` that stands so, and how the database shows that it was done."""

    stands: Status
    ask: Callable[[PostgresStore], Awaitable[Any]]
    shown: str
    answer: Any = True
    sent: bytes = b"run-"  # is in the request that does it


FORK = Fork(id="fork", seq=0, version="1", at=NOW)
VERBS = {
    "start": Verb(
        Status.QUEUED, lambda store: store.start([new_run("run-b"), new_run("run-c", key="k")]),
        "EXISTS (SELECT FROM holdfast.runs WHERE id = 'run-b')",
        [Started(id="run-b", created=True, digest=b"digest"), Started(id="run-a", created=False, digest=b"digest")],
    ),
    "cancel": Verb(
        Status.WAITING, lambda store: store.cancel("run-a", reason="late\0", at=NOW), "cancel_at IS NOT NULL"
    ),
    "cancel what never began": Verb(
        Status.QUEUED, lambda store: store.cancel("run-a", reason="late", at=NOW), "status = 'cancelled'"
    ),
    "pause": Verb(Status.WAITING, lambda store: store.pause("run-a", why=b"why", at=NOW), "status = 'paused'"),
    "pause what is in memory": Verb(
        Status.RUNNING, lambda store: store.pause("run-a", why=b"why", at=NOW), "pause_at IS NOT NULL"
    ),
    "resume": Verb(Status.BLOCKED, lambda store: store.resume("run-a"), "status = 'queued'"),
    "retry": Verb(Status.FAILED, lambda store: store.retry("run-a", at=NOW), "status = 'queued'", sent=b"COMMIT;"),
    "fork": Verb(
        Status.FAILED, lambda store: store.fork("run-a", FORK), "EXISTS (SELECT FROM holdfast.runs WHERE id = 'fork')",
        sent=b"COMMIT;",
    ),
    "move": Verb(Status.BLOCKED, lambda store: store.move("run-a", "2", epoch=1, entries=0), "version = '2'"),
    "delete": Verb(Status.FAILED, lambda store: store.delete(["run-a"]), "false", sent=b"COMMIT;"),
    "resolve": Verb(
        Status.WAITING, lambda store: store.resolve("run-a/p", ok=True, value=b"v", at=NOW),
        "EXISTS (SELECT FROM holdfast.promises)",
    ),
}  # fmt: skip


async def stand(store: PostgresStore, status: Status) -> Hand:
    """Bring the run ``run-a`` there."""
    hand = await Hand.hire(store, "w1")
    await store.start([new_run("run-a", key="k")])
    if status is Status.QUEUED:
        return hand
    run = await hand.claim_one()
    if status is Status.WAITING:
        await hand.suspend(run)
    elif status is Status.BLOCKED:
        await hand.commit(delta(run, Block(why=b"it does not fit")))
    elif status is Status.FAILED:
        await hand.commit(delta(run, finish(Status.FAILED)))
    return hand


async def answered_by_nobody(
    proxy: Proxy, place: Place, sent: bytes, ask: Callable[[], Awaitable[Any]], shown: str
) -> Any:
    """Ask, and break the connections between the commit of the request that has ``sent`` in it and its answer."""
    proxy.silent_from = sent
    asked = asyncio.ensure_future(ask())
    await until(place, shown, True)
    proxy.cut()
    proxy.answering.set()
    return await asked


@pytest.mark.parametrize("verb", VERBS)
async def test_it_was_done_and_the_answer_was_lost(place: Place, verb: str) -> None:
    wanted = VERBS[verb]
    async with through_a_proxy(place) as (proxy, store):
        await stand(store, wanted.stands)
        shown = DONE.format(wanted.shown)
        answer = await answered_by_nobody(proxy, place, wanted.sent, lambda: wanted.ask(store), shown)
        assert answer == wanted.answer
        assert await asyncio.to_thread(schemas.ask, place.url, DONE.format(wanted.shown))
        assert await asyncio.to_thread(schemas.ask, place.url, "SELECT FROM holdfast.inbox HAVING count(*) > 1") == []


@pytest.mark.parametrize("verb", VERBS)
async def test_the_request_itself_was_lost(place: Place, verb: str) -> None:
    wanted = VERBS[verb]
    async with through_a_proxy(place) as (proxy, store):
        await stand(store, wanted.stands)
        await keep_back_answers(proxy, store)
        proxy.answering.set()
        proxy.forward = 1
        assert await wanted.ask(store) == wanted.answer
        assert proxy.broken.is_set()
        assert (await asyncio.to_thread(schemas.ask, place.url, DONE.format(wanted.shown)))[0][0]


async def test_a_worker_whose_registration_was_answered_by_nobody_is_registered_once(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        registered = "SELECT EXISTS (SELECT FROM holdfast.workers)"
        hand = await answered_by_nobody(proxy, place, b"run-hand", lambda: Hand.hire(store, "run-hand"), registered)
        await hand.started()
        assert [worker.id for worker in await store.workers()] == ["run-hand"]


async def test_what_could_not_be_done_is_still_denied(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        await stand(store, Status.WAITING)
        await store.cancel("run-a", reason="earlier", at=NOW - 1)
        await keep_back_answers(proxy, store)
        proxy.answering.set()
        for ask in (
            lambda: store.cancel("run-a", reason="later", at=NOW),
            lambda: store.pause("run-a", why=b"why", at=NOW),
            lambda: store.move("run-a", "2", epoch=7, entries=0),
        ):
            proxy.forward = 1
            assert not await ask()


async def test_while_the_server_stays_away_nobody_is_told_that_nothing_was_done(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insisting, "FIND_OUT_S", 0.3)
    async with through_a_proxy(place) as (proxy, store):
        await stand(store, Status.WAITING)
        proxy.silent_from = b"late"
        asked = asyncio.ensure_future(store.cancel("run-a", reason="late", at=NOW))
        await until(place, "SELECT cancel_at IS NOT NULL FROM holdfast.runs", True)
        proxy.shut()
        proxy.answering.set()
        with pytest.raises(CommitUnknown, match=r"request to cancel run run-a was lost.* look whether it was done"):
            await asked


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_what_is_not_on_the_standby_yet_is_not_acknowledged(server: Server, verb: str) -> None:
    wanted = VERBS[verb]
    server.start()
    store = await PostgresStore.open(server.url)
    await stand(store, wanted.stands)
    con = await asyncpg.connect(server.url)
    await want_a_standby(con, server)
    asked = asyncio.ensure_future(wanted.ask(store))
    ended: list[asyncpg.Record] = []  # those waits that were broken off; the server takes a moment for it
    for _ in range(3):  # of the request itself, of the same again, and of what is seen to have been done
        while not (waiting := [one for one in await con.fetch(WAITING) if one not in ended]):
            assert not asked.done()
        ended += waiting
        await con.execute(f"SELECT pg_cancel_backend({waiting[0][0]})")
    await con.execute("ALTER SYSTEM RESET synchronous_standby_names")
    await con.execute("SELECT pg_reload_conf()")
    assert await asked
    await con.close()
    await store.close()
