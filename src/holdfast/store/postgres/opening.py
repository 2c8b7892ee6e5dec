"""Opening: what server this is, whose schema it is, and how far it has come."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import asyncpg

from holdfast.errors import StoreUnusable
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.edge import ERRORS, unreachable
from holdfast.store.postgres.links import connect
from holdfast.store.postgres.statements import CONNECTION, Names, routines, routines_digest

OLDEST = 140_000  # server_version_num of the oldest server that is known to work
_MIGRATIONS = Path(__file__).parent / "migrations"
_SCHEMA, _ROUTINES = "schema", f"routines {routines_digest()}"
_PATIENCE = (
    "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '10min'; SET LOCAL client_min_messages = warning"
)


class Server(NamedTuple):
    """What was found at the other end."""

    version: int
    pooled: bool  # a pooler is in between, which gives out connections by transaction


class Standing(NamedTuple):
    """How far a schema has come."""

    migration: int  # 0: there is nothing yet
    equipped: bool  # this version's routines are in it
    exists: bool = True


async def open_schema(address: Address, names: Names, *, create: bool) -> Server:
    """Look at the server, and bring the schema to the newest version.

    Raises:
        StoreUnusable: the message says why, and what to do.
    """
    con, standing = None, None
    try:
        con = await connect(address.direct, cache=False)
        server = await look(con, address)
        standing = await stand(con, names, address)
        if standing.migration == 0 and not create:
            raise StoreUnusable(f"{address.shown}: nothing was ever stored there (no schema {names.schema!r})")
        if standing.migration < migrations()[-1][0] or not standing.equipped:
            await _bring_up(con, names, address)
        if address.direct != address.dsn:
            server = await _look_through(address)
        return server
    except asyncpg.InsufficientPrivilegeError as error:
        raise _not_allowed(error, address, standing) from error
    except ERRORS as error:
        raise unreachable(error, address.shown) from error
    finally:
        if con is not None:
            con.terminate()


def _not_allowed(error: asyncpg.PostgresError, address: Address, standing: Standing | None) -> StoreUnusable:
    """Rights that are missing: to use what is there, to make it, or to change what belongs to another role."""
    if standing is None or standing.migration == 0:
        return unreachable(error, address.shown)
    return StoreUnusable(
        f"{address.shown} was left by an older Holdfast, and this role may not bring it up ({error}). Open it once as "
        "the role that owns its tables, such as with `holdfast workers list`; older workers go on meanwhile"
    )


async def _look_through(address: Address) -> Server:
    con = await connect(address.dsn, cache=False)
    try:
        return await look(con, address)
    finally:
        con.terminate()


async def look(con: asyncpg.Connection, address: Address) -> Server:
    """What the server is.

    Raises:
        StoreUnusable: it is too old.
    """
    # one transaction, so that a pooler keeps to one server meanwhile
    await con.execute(CONNECTION.begin)
    found = await con.fetchrow(CONNECTION.server)
    await con.execute(CONNECTION.commit)
    if found["version"] < OLDEST:
        raise StoreUnusable(
            f"{address.shown} is PostgreSQL {found['version'] // 10_000}; Holdfast needs {OLDEST // 10_000} or newer: "
            "update the server"
        )
    # A pooler makes up the process id that it gives to its clients.
    return Server(version=found["version"], pooled=con.get_server_pid() != found["pid"])


async def stand(con: asyncpg.Connection, names: Names, address: Address) -> Standing:
    """How far the schema has come.

    Raises:
        StoreUnusable: it is foreign, or newer than this version.
    """
    await con.execute(CONNECTION.begin)
    try:
        return await _stand(con, names, address)
    finally:
        await con.execute(CONNECTION.roll_back)


async def _stand(con: asyncpg.Connection, names: Names, address: Address) -> Standing:
    found = await con.fetchrow(CONNECTION.standing, names.quoted)
    if not found["ours"]:
        if found["tables"]:
            raise _foreign(address, names)
        return Standing(migration=0, equipped=False, exists=found["exists"])
    meta = {row["name"]: row["value"] for row in await con.fetch(names(CONNECTION.meta))}
    if meta.get("made_by") != "holdfast":
        raise _foreign(address, names)
    reached, newest = int(meta[_SCHEMA]), migrations()[-1][0]
    if reached > newest:
        raise StoreUnusable(
            f"{address.shown} has schema {reached}, written by a newer Holdfast; this one knows up to {newest}. "
            "Update Holdfast, or use the version that wrote it"
        )
    return Standing(migration=reached, equipped=_ROUTINES in meta)


def _foreign(address: Address, names: Names) -> StoreUnusable:
    return StoreUnusable(
        f"{address.shown}: schema {names.schema!r} belongs to something else. Name another with ?schema=…; it was left "
        "as it is"
    )


async def _bring_up(con: asyncpg.Connection, names: Names, address: Address) -> None:
    """Migrate and install the routines, one process at a time, all or nothing."""
    await con.execute(f"{CONNECTION.begin} {_PATIENCE}")
    try:
        await con.execute(CONNECTION.lock_migrations.replace("$1", _literal(names.schema)))
        standing = await _stand(con, names, address)  # again: somebody else may have been first
        if not standing.exists:  # else it takes no right to make one
            await con.execute(f"CREATE SCHEMA IF NOT EXISTS {names.quoted}")
        for number, script in migrations():
            if number > standing.migration:
                await con.execute(names(script))
                await con.execute(_set_meta(names, _SCHEMA, str(number)))
        if not standing.equipped:
            await con.execute(names(routines()))
            await con.execute(_set_meta(names, _ROUTINES, "installed"))
        await con.execute(CONNECTION.commit)
    except BaseException:
        con.terminate()
        raise


def migrations() -> list[tuple[int, str]]:
    """All migrations, in order."""
    return [(int(file.name[:4]), file.read_text(encoding="utf-8")) for file in sorted(_MIGRATIONS.glob("*.sql"))]


def _set_meta(names: Names, name: str, value: str) -> str:
    return names(CONNECTION.set_meta).replace("$1", _literal(name)).replace("$2", _literal(value))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
