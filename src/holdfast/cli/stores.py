"""Finding the store of a command that needs no app."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from holdfast.cli.apps import load
from holdfast.client import Client
from holdfast.durable.catalog import Catalog
from holdfast.durable.timekeeper import clock_of
from holdfast.errors import StoreUnusable
from holdfast.runtime import STORE_VARIABLE, open_store

_FOLDER = Path(".holdfast")


@asynccontextmanager
async def client_of(store: str | None, app: str | None = None) -> AsyncIterator[Client]:
    """A client of a store that exists. Unless an app is named it knows no agents; values are shown as they are stored.

    Raises:
        StoreUnusable: no store is named or found, or it cannot be opened.
    """
    opened = await open_store(_existing(url_of(store, app)), create=False)
    try:
        yield Client(opened, Catalog() if app is None else load(app).catalog, await clock_of(opened))
    finally:
        await opened.close()


def url_of(store: str | None, app: str | None = None) -> str:
    """The URL of the store that is meant, whether it exists or not.

    Raises:
        StoreUnusable: none is named or found.
    """
    return store or os.environ.get(STORE_VARIABLE) or _default(app)


def _default(app: str | None) -> str:
    if app is not None:
        return f"sqlite:///{_FOLDER / load(app).name}.db"
    found = sorted(_FOLDER.glob("*.db"))
    if len(found) == 1:
        return f"sqlite:///{found[0]}"
    advice = f"give --store URL, --app MODULE:APP, or set ${STORE_VARIABLE}"
    if not found:
        raise StoreUnusable(f"there is no store in {_FOLDER.absolute()}: {advice}")
    raise StoreUnusable(f"{len(found)} stores in {_FOLDER}: {', '.join(file.name for file in found)}: {advice}")


def _existing(url: str) -> str:
    """The URL, unless it names a file that opening it would make: who only looks must not leave an empty store."""
    path = Path(url.removeprefix("sqlite:///"))
    if (url.startswith("sqlite:///") or "://" not in url) and not path.exists():
        raise StoreUnusable(f"{path} does not exist: nothing was ever stored there")
    return url
