"""Schemas of the tests: one server for the session, and for each test an empty schema that others used before."""

from __future__ import annotations

import asyncio
import atexit
import os
import re
from asyncio import events
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from holdfast.store.postgres.address import Address
from holdfast.store.postgres.opening import migrations, open_schema
from holdfast.store.postgres.statements import Names
from tests.postgres.server import Server

VARIABLE = "HOLDFAST_TEST_POSTGRES"

T = TypeVar("T")

_free: list[str] = []
_made = 0


@cache
def base() -> str:
    """The URL of the server: the one that is named by the environment, or one that is started now."""
    given = os.environ.get(VARIABLE)
    if given:
        return given
    server = Server()
    atexit.register(server.remove)
    server.make()
    server.start()
    return server.url


def _run(work: Coroutine[Any, Any, T]) -> T:
    """To its end; in a thread of its own if the caller is in a loop. Whoever forks next finds no thread."""
    if events._get_running_loop() is None:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, work).result()


def take() -> str:
    """The URL of an empty schema. Give it back, and it is emptied for the next."""
    return url_of(_free.pop() if _free else _make())


def give_back(url: str) -> None:
    """Empty it for the next test; drop it if somebody still holds it."""
    schema = Address.of(url).schema
    try:
        _run(_empty(schema))
    except asyncpg.PostgresError:
        _run(_drop(schema))
    else:
        _free.append(schema)


def url_of(schema: str) -> str:
    """Its URL."""
    return f"{base()}{'&' if urlsplit(base()).query else '?'}schema={schema}"


def execute(url: str, *statements: str) -> None:
    """Do something to a schema's tables, ``holdfast.…``, behind the store's back."""
    for statement in statements:
        ask(url, statement)


def ask(url: str, statement: str) -> list[Any]:
    """Ask something of them."""
    address = Address.of(url)

    async def asking() -> list[Any]:
        con = await asyncpg.connect(address.dsn, statement_cache_size=0)
        try:
            return list(await con.fetch(Names(address.schema)(statement)))
        finally:
            await con.close()

    return _run(asking())


def rows(url: str) -> dict[str, int]:
    """How many rows each table has that belongs to runs."""
    counted = [table for table in _tables().split(", ") if not table.endswith((".workers", ".batches", ".contents"))]
    return {table: ask(url, f"SELECT count(*) FROM {table}")[0][0] for table in counted}


def dump(url: str) -> bytes:
    """All that is in it."""
    found = [row for table in _tables().split(", ") for row in ask(url, f"SELECT * FROM {table}")]
    return b"\n".join(
        value if isinstance(value, bytes) else str(value).encode() for row in found for value in row.values()
    )


def _make() -> str:
    global _made
    _made += 1
    schema = f"test_{os.getpid()}_{_made}"
    address = Address.of(url_of(schema))
    _run(open_schema(address, Names(schema), create=True))
    if os.environ.get(VARIABLE):  # ours goes with all that is in it
        atexit.register(lambda: _run(_drop(schema)))
    return schema


@cache
def _tables() -> str:
    text = "\n".join(text for _, text in migrations())
    found = re.findall(r"^CREATE TABLE (\S+)", text, re.MULTILINE)
    return ", ".join(table for table in found if table != "holdfast.meta")


async def _empty(schema: str) -> None:
    # Row by row: there are few, and TRUNCATE would make eighty files anew.
    tables = _tables().split(", ")
    rows = "; ".join(f"DELETE FROM {table}" for table in tables)
    begin = f"BEGIN; SET LOCAL lock_timeout = '2s'; LOCK TABLE {', '.join(tables)}"
    numbers = "ALTER TABLE holdfast.runs ALTER rid RESTART; ALTER TABLE holdfast.endings ALTER n RESTART"
    con = await asyncpg.connect(Address.of(base()).dsn, statement_cache_size=0)
    try:
        await con.execute(Names(schema)(f"{begin}; {rows}; {numbers}; COMMIT"))
    finally:
        await con.close()


async def _drop(schema: str) -> None:
    con = await asyncpg.connect(Address.of(base()).dsn, statement_cache_size=0)
    await con.execute(f'SET lock_timeout = "30s"; DROP SCHEMA IF EXISTS {Names(schema).quoted} CASCADE')
    await con.close()
