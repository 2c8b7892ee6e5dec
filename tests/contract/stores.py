"""The stores under test: where each is kept, and how its disk is filled."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from holdfast.runtime import open_store
from holdfast.store.base import Store
from holdfast.store.postgres import PostgresStore
from holdfast.store.sqlite import SqliteStore
from tests.postgres import schemas
from tests.postgres.disk import SmallDisk

PRELUDE = """
import asyncio, sys
from tests.contract.making import *
from tests.contract.stores import open_url
url, *args = sys.argv[1:]
"""


class Place(Protocol):
    """Where a store is kept."""

    name: str
    url: str

    async def open(self) -> Store:
        """Open the store kept here; each call gives another instance of the same."""

    @contextmanager
    def full_disk(self, store: Store) -> Iterator[None]:
        """While inside, the store can grow no more."""

    def clear(self) -> None:
        """What is kept here is needed no more."""


class SqlitePlace:
    """A SQLite file in a temporary directory."""

    name = "sqlite"
    examples = 60  # of interleavings

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.url = f"sqlite:///{self.path}"

    async def open(self) -> Store:
        return await SqliteStore.open(self.url)

    @contextmanager
    def full_disk(self, store: Store) -> Iterator[None]:
        assert isinstance(store, SqliteStore)
        db = store._file._writer
        assert db is not None
        free = db.pragma("freelist_count")
        db.pragma("max_page_count", db.pragma("page_count") - free)
        yield
        db.pragma("max_page_count", 1 << 30)

    def clear(self) -> None:
        """The folder goes with the test."""


class PostgresPlace:
    """A schema of the session's server."""

    name = "postgres"
    examples = 25  # each question is a round trip

    def __init__(self, folder: Path) -> None:
        self.url = schemas.take()

    async def open(self) -> Store:
        return await PostgresStore.open(self.url)

    @contextmanager
    def full_disk(self, store: Store) -> Iterator[None]:
        if not SmallDisk.possible():
            pytest.skip("a disk for the server to fill needs its machine, and the right to mount")
        with SmallDisk(self.url) as disk:
            yield
            disk.grow()

    def clear(self) -> None:
        schemas.give_back(self.url)


PLACES: list[type[SqlitePlace] | type[PostgresPlace]] = [SqlitePlace, PostgresPlace]


async def open_url(url: str) -> Store:
    """Open a store in another process."""
    return await open_store(url)


def process(url: str, script: str, *args: object) -> subprocess.Popen[str]:
    """Another process that runs the body of a script with ``url`` and ``args``."""
    command = [sys.executable, "-c", PRELUDE + script, url, *map(str, args)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )


def output(running: subprocess.Popen[str], timeout: float = 60) -> str:
    """What a process says until it ends, which it must do well."""
    said, _ = running.communicate(timeout=timeout)
    assert running.returncode == 0, said
    return said
