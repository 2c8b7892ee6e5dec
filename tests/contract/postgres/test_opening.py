"""The way to a server: what is wrong with it is said, with what to do; versions of Holdfast live side by side."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest

from holdfast.clock import SECOND
from holdfast.errors import StoreUnusable
from holdfast.records.run import Status
from holdfast.records.worker import Quota
from holdfast.store.postgres import PostgresStore, links, opening, statements
from tests.contract.making import Hand, delta, entry, new_run
from tests.contract.stores import Place
from tests.postgres import schemas
from tests.postgres.server import Server


@contextmanager
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and which nobody can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def refusal(url: str, **options: bool) -> str:
    with pytest.raises(StoreUnusable) as refused:
        await PostgresStore.open(url, **options)
    return str(refused.value)


async def test_a_wrong_password_is_said_and_not_shown(server: Server) -> None:
    server.start()
    url = server.url
    schemas.ask(url, "CREATE ROLE ann LOGIN PASSWORD 'right'")
    schemas.ask(url, "GRANT CREATE ON DATABASE postgres TO ann")
    (server.data / "pg_hba.conf").write_text(
        "host all ann 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
    )
    schemas.ask(url, "SELECT pg_reload_conf()")
    with_password = url.replace("postgres@", "ann:{}@")
    said = await refusal(with_password.format("wrong"))
    assert "password" in said and "ann:***@" in said and "wrong" not in said
    store = await PostgresStore.open(with_password.format("right"))
    assert "right" not in store.url
    await store.close()


async def test_a_missing_database_a_closed_port_and_a_deaf_one_are_told_apart(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = schemas.base().rpartition("/")[0]
    assert "createdb" in await refusal(f"{base}/nowhere")
    with closed_port() as port:
        assert "Is a server running there" in await refusal(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    monkeypatch.setattr(links, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        said = await refusal(f"postgresql://postgres@127.0.0.1:{deaf.getsockname()[1]}/postgres")
    assert "TimeoutError" in said


async def test_a_server_that_is_too_old_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "OLDEST", 990_000)  # as seen from a far future
    assert "needs 99 or newer" in await refusal(place.url)


async def test_a_schema_of_somebody_else_is_left_as_it_is(place: Place) -> None:
    schemas.execute(place.url, "CREATE SCHEMA theirs", "CREATE TABLE theirs.runs (mine int)")
    url = schemas.url_of("theirs")
    try:
        assert "belongs to something else" in await refusal(url)
        assert (
            schemas.ask(place.url, "SELECT count(*) FROM pg_class WHERE relnamespace = 'theirs'::regnamespace")[0][0]
            == 1
        )
    finally:
        schemas.execute(place.url, "DROP SCHEMA theirs CASCADE")


async def test_a_newer_schema_asks_for_an_update(place: Place) -> None:
    schemas.execute(place.url, "UPDATE holdfast.meta SET value = '9999' WHERE name = 'schema'")
    try:
        assert "newer Holdfast" in await refusal(place.url)
    finally:
        newest = opening.migrations()[-1][0]
        schemas.execute(place.url, f"UPDATE holdfast.meta SET value = '{newest}' WHERE name = 'schema'")


async def test_who_only_looks_makes_nothing(place: Place) -> None:
    assert "nothing was ever stored" in await refusal(schemas.url_of("not_there"), create=False)
    assert schemas.ask(place.url, "SELECT to_regnamespace('not_there')")[0][0] is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://here:port/db", "port"),
        ("postgresql://here/db?schema=", "schema=''"),
        ("postgresql://here/db?sslmode=perhaps", "sslmode"),
    ],
)
async def test_an_address_that_is_none_is_said(url: str, says: str) -> None:
    assert says in await refusal(url)


async def test_the_version_before_goes_on_beside_this_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each brings its own routines, under names of its own; tables only ever gain columns that have defaults."""
    before = await place.open()
    hand = await Hand.hire(before, "before")
    run = await hand.started()
    changed = statements.routines().replace(
        "RETURN QUERY SELECT _v;", "RETURN QUERY SELECT _v; -- as in the next version"
    )
    assert changed != statements.routines()
    statements.routines_digest.cache_clear()
    monkeypatch.setattr(statements, "routines", lambda: changed)
    monkeypatch.setattr(opening, "routines", lambda: changed)
    monkeypatch.setattr(opening, "_ROUTINES", f"routines {statements.routines_digest()}")
    try:
        after = await place.open()
        await after.start([new_run("new")])
        await hand.commit(delta(run, entries=(entry(1),)))
        successor = await Hand.hire(after, "after")
        assert [claimed.run.id for claimed in await successor.claim()] == ["new"]
        assert await before.count() == {Status.RUNNING: 2}
        await after.close()
    finally:
        statements.routines_digest.cache_clear()
    await before.close()


async def test_a_schema_of_an_older_version_is_brought_up_with_what_is_in_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, first = schemas.url_of("older"), opening.migrations()[:1]
    with monkeypatch.context() as then:
        then.setattr(opening, "migrations", lambda: first)
        then.setattr(opening, "routines", lambda: "SELECT 1")  # it had others, which knew no later tables
        then.setattr(opening, "_ROUTINES", "routines of old")
        await opening.open_schema(schemas.Address.of(url), statements.Names("older"), create=True)
    schemas.execute(url, "INSERT INTO holdfast.workers VALUES ('old', 'here', 1, '[]', 1, 9000000000000000)")
    try:
        store = await PostgresStore.open(url)
        assert [(worker.id, worker.renewed_at) for worker in await store.workers()] == [("old", 0)]
        hand = await Hand.hire(store, "new")
        await store.start([new_run(), new_run()])
        assert len(await hand.claim(quotas={"adjust": Quota(limit=1, starts=1, period=1)})) == 1
        await store.close()
    finally:
        schemas.execute(url, "DROP SCHEMA older CASCADE")


async def test_several_hosts_may_be_named_and_the_one_that_answers_is_used(place: Place) -> None:
    with closed_port() as port:
        store = await PostgresStore.open(place.url.replace("@127.0.0.1", f"@127.0.0.1:{port},127.0.0.1"))
        await store.start([new_run()])
        assert await store.count() == {Status.QUEUED: 1}
        await store.close()


def beside_a_deaf_one(url: str, deaf: int) -> list[str]:
    """Two ways to write two hosts, of which the first is silent."""
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    name, _, port = host.partition(":")
    query = f"{parts.query}&user={login}&host=127.0.0.1,{name}&port={deaf},{port}"
    return [
        urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{deaf},{host}")),
        f"postgresql://{parts.path}?{query}",
    ]


@pytest.mark.parametrize("way", [0, 1], ids=["in front", "as parameters"])
async def test_a_host_that_is_silent_keeps_nobody_from_the_next(
    place: Place, way: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a machine without power is: it does not even refuse."""
    monkeypatch.setattr(links, "CONNECT_S", 3600.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = beside_a_deaf_one(place.url, deaf.getsockname()[1])[way]
        async with asyncio.timeout(60):
            store = await PostgresStore.open(url)
            hand = await Hand.hire(store, "w")
            keeper = store.keeper("w", ttl=15 * SECOND)
            assert await asyncio.to_thread(keeper.renew)
            keeper.close()
            assert await hand.claim() == []
        await store.close()


@pytest.mark.parametrize("password", ["pa#ss", "pa/ss", "pa?ss", "1#ss", "pa@s#s", "1?ss", "[pa"])
async def test_a_password_that_splits_the_address_is_never_shown(password: str) -> None:
    said = await refusal(f"postgresql://ann:{password}@127.0.0.1/db")
    assert "%23" in said or "cannot be read" in said
    assert "ann:***@127.0.0.1/db" in said
    assert password not in said


async def test_whatever_the_role_has_been_set_to_commits_wait_for_the_disk(place: Place) -> None:
    schemas.execute(place.url, "ALTER ROLE postgres SET synchronous_commit = off")
    try:
        store = await place.open()
        hand = await Hand.hire(store, "w")
        run = await hand.started()
        schema = schemas.Names(schemas.Address.of(place.url).schema).quoted
        schemas.execute(
            place.url,
            f"CREATE TABLE {schema}.seen (setting text)",
            f"""CREATE FUNCTION {schema}.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO {schema}.seen VALUES (current_setting('synchronous_commit')); RETURN new; END $$""",
            f"CREATE TRIGGER see BEFORE INSERT ON {schema}.journal FOR EACH ROW EXECUTE FUNCTION {schema}.see()",
        )
        await hand.commit(delta(run, entries=(entry(),)))
        assert [row[0] for row in schemas.ask(place.url, f"SELECT setting FROM {schema}.seen")] == ["on"]
        await store.close()
    finally:
        schemas.execute(place.url, "ALTER ROLE postgres RESET synchronous_commit")
        schemas.execute(place.url, f"DROP FUNCTION {schema}.see CASCADE", f"DROP TABLE {schema}.seen")
