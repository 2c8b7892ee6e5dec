"""Schemas of the tests: one server for the session, and for each test an empty schema that others used before."""

from __future__ import annotations

import atexit
import os
import re
from functools import cache
from urllib.parse import urlsplit

import asyncpg

from holdfast.store.postgres.address import Address
from holdfast.store.postgres.opening import migrations, open_schema
from holdfast.store.postgres.sideloop import SideLoop
from holdfast.store.postgres.statements import Names
from tests.postgres.server import Server

VARIABLE = "HOLDFAST_TEST_POSTGRES"

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


@cache
def _side() -> SideLoop:
    side = SideLoop("test-schemas")
    atexit.register(side.close)
    return side


def take() -> str:
    """The URL of an empty schema. Give it back, and it is emptied for the next."""
    return url_of(_free.pop() if _free else _make())


def give_back(url: str) -> None:
    """Empty it for the next test; drop it if somebody still holds it."""
    schema = Address.of(url).schema
    try:
        _side().run(_empty(schema))
    except asyncpg.PostgresError:
        _side().run(_drop(schema))
    else:
        _free.append(schema)


def url_of(schema: str) -> str:
    """Its URL."""
    return f"{base()}{'&' if urlsplit(base()).query else '?'}schema={schema}"


def execute(url: str, *statements: str) -> None:
    """Do something to a schema's tables, ``holdfast.…``, behind the store's back."""
    address = Address.of(url)

    async def run() -> None:
        con = await asyncpg.connect(address.dsn)
        for statement in statements:
            await con.execute(Names(address.schema)(statement))
        await con.close()

    _side().run(run())


def _make() -> str:
    global _made
    _made += 1
    schema = f"test_{os.getpid()}_{_made}"
    address = Address.of(url_of(schema))
    _side().run(open_schema(address, Names(schema), create=True))
    atexit.register(lambda: _side().run(_drop(schema))) if os.environ.get(VARIABLE) else None
    return schema


@cache
def _tables() -> str:
    text = "\n".join(text for _, text in migrations())
    found = re.findall(r"^CREATE TABLE (\S+)", text, re.MULTILINE)
    return ", ".join(table for table in found if table != "holdfast.meta")


_admin: list[asyncpg.Connection] = []


async def _connection() -> asyncpg.Connection:
    if not _admin or _admin[0].is_closed():
        _admin[:] = [await asyncpg.connect(Address.of(base()).dsn)]
    return _admin[0]


async def _empty(schema: str) -> None:
    con = await _connection()
    await con.execute(Names(schema)(f"SET lock_timeout = '2s'; TRUNCATE {_tables()} RESTART IDENTITY"))


async def _drop(schema: str) -> None:
    con = await asyncpg.connect(Address.of(base()).dsn)
    await con.execute(f'SET lock_timeout = "2s"; DROP SCHEMA IF EXISTS {Names(schema).quoted} CASCADE')
    await con.close()
