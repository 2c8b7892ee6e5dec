"""Two roles: one owns the tables, the others use them, with no more rights than the manual says."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from holdfast.errors import StoreUnusable
from holdfast.records.delta import Verdict
from holdfast.store.postgres import PostgresStore, opening
from tests.contract.making import NOW, Hand, delta, entry
from tests.postgres import schemas

GRANTS = (
    "CREATE SCHEMA shared AUTHORIZATION holdfast_owner",
    "GRANT USAGE ON SCHEMA shared TO holdfast_user",
    "ALTER DEFAULT PRIVILEGES FOR ROLE holdfast_owner IN SCHEMA shared GRANT ALL ON TABLES TO holdfast_user",
)


def url_of(role: str) -> str:
    parts = urlsplit(schemas.url_of("shared"))
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


@pytest.fixture(autouse=True)
def roles() -> Iterator[None]:
    base = schemas.base()
    schemas.execute(base, "CREATE ROLE holdfast_owner LOGIN", "CREATE ROLE holdfast_user LOGIN", *GRANTS)
    yield
    schemas.execute(
        base, "DROP SCHEMA shared CASCADE", "DROP OWNED BY holdfast_owner", "DROP ROLE holdfast_owner, holdfast_user"
    )


async def made() -> None:
    await (await PostgresStore.open(url_of("holdfast_owner"))).close()


async def test_who_only_uses_the_tables_can_do_all_that_workers_do() -> None:
    await made()
    store = await PostgresStore.open(url_of("holdfast_user"))
    hand = await Hand.hire(store, "w")
    run = await hand.started()
    assert await hand.commit(delta(run, entries=(entry(),))) == [Verdict.APPLIED]
    assert await store.resolve(f"{run.id}/p", ok=True, value=b"", at=NOW)
    assert await store.get(run.id) is not None
    await store.release("w")
    await store.close()


async def test_an_upgrade_is_for_the_owner_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    first = opening.migrations()[:1]
    with monkeypatch.context() as then:
        then.setattr(opening, "migrations", lambda: first)
        then.setattr(opening, "routines", lambda: "SELECT 1")  # it had others, which knew no later tables
        then.setattr(opening, "_ROUTINES", "routines of then")
        await made()
    with pytest.raises(StoreUnusable, match="the role that owns its tables"):
        await PostgresStore.open(url_of("holdfast_user"))
    await made()
    await (await PostgresStore.open(url_of("holdfast_user"))).close()
