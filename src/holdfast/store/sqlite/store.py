"""The store: all nouns of one SQLite file, opened and closed."""

from __future__ import annotations

import asyncio
import os
from weakref import WeakSet

from holdfast.store.sqlite.edge import edge
from holdfast.store.sqlite.file import SharedFile, open_file
from holdfast.store.sqlite.health import SqliteHealth
from holdfast.store.sqlite.nouns.approvals import Approvals
from holdfast.store.sqlite.nouns.claims import Claims
from holdfast.store.sqlite.nouns.commits import Commits
from holdfast.store.sqlite.nouns.documents import Documents
from holdfast.store.sqlite.nouns.files import Files
from holdfast.store.sqlite.nouns.leases import Leases
from holdfast.store.sqlite.nouns.outbox import Outbox
from holdfast.store.sqlite.nouns.promises import Promises
from holdfast.store.sqlite.nouns.repairs import Repairs
from holdfast.store.sqlite.nouns.retention import Retention
from holdfast.store.sqlite.nouns.runs import Runs
from holdfast.store.sqlite.nouns.telling import Telling
from holdfast.store.sqlite.nouns.transactions import Transactions
from holdfast.store.sqlite.opening import path_of
from holdfast.store.watching import HubWatch


class SqliteStore(
    Runs, Repairs, Retention, Claims, Commits, Transactions, Promises, Files, Leases, Telling,
    Approvals, Documents, Outbox,
):  # fmt: skip
    """Runs in one SQLite file. See :class:`holdfast.store.base.Store` for what each method promises.

    Example:
        >>> store = await SqliteStore.open("sqlite:///claims.db")
    """

    def __init__(self, file: SharedFile) -> None:
        super().__init__(file)
        self._watches: WeakSet[HubWatch] = WeakSet()  # one that its waiter has closed goes with it

    @classmethod
    async def open(cls, url_or_path: str | os.PathLike[str], *, create: bool = True) -> SqliteStore:
        """Open a file, and make it if need be: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or a path.

        Raises:
            StoreUnusable: it is foreign, damaged or newer, or does not exist and ``create`` is false.
        """
        path = path_of(url_or_path)
        return cls(await asyncio.to_thread(open_file, path, create=create))

    def health(self) -> SqliteHealth:
        return SqliteHealth(self.url)

    def watch(self) -> HubWatch:
        self._refuse_closed()
        with edge(self.url):
            watch = HubWatch(self._file.hub)
        self._watches.add(watch)
        return watch

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            for watch in list(self._watches):
                watch.close()
            self._voice.close()
            await asyncio.to_thread(self._file.close)
