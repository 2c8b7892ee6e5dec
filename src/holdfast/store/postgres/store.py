"""The store: all nouns of one schema, opened and closed."""

from __future__ import annotations

import asyncio

from holdfast.store.postgres.address import Address
from holdfast.store.postgres.health import PostgresHealth
from holdfast.store.postgres.nouns.approvals import Approvals
from holdfast.store.postgres.nouns.claims import Claims
from holdfast.store.postgres.nouns.commits import Commits
from holdfast.store.postgres.nouns.documents import Documents
from holdfast.store.postgres.nouns.files import Files
from holdfast.store.postgres.nouns.leases import Leases
from holdfast.store.postgres.nouns.outbox import Outbox
from holdfast.store.postgres.nouns.promises import Promises
from holdfast.store.postgres.nouns.repairs import Repairs
from holdfast.store.postgres.nouns.retention import Retention
from holdfast.store.postgres.nouns.runs import Runs
from holdfast.store.postgres.nouns.telling import Telling
from holdfast.store.postgres.nouns.transactions import Transactions
from holdfast.store.postgres.opening import open_schema
from holdfast.store.postgres.statements import Names
from holdfast.store.watching import HubWatch

_CLOSING_S = 5.0


class PostgresStore(
    Runs, Repairs, Retention, Claims, Commits, Transactions, Promises, Files, Leases, Telling,
    Approvals, Documents, Outbox,
):  # fmt: skip
    """Runs in one schema of a PostgreSQL database. See :class:`holdfast.store.base.Store` for what each promises.

    It belongs to the event loop on which it was opened.

    Example:
        >>> store = await PostgresStore.open("postgresql://app@db.example/app")
    """

    @classmethod
    async def open(cls, url: str, *, create: bool = True) -> PostgresStore:
        """Open a schema, and make it if need be: ``postgresql://user:password@host:5432/database``.

        Several hosts may be named (``host1:5432,host2:5432``): the one that takes writes is used. Of the parameters
        ``schema=`` names the schema, ``direct=host:port`` the way past a pooler; the rest is the driver's.

        Raises:
            StoreUnusable: it cannot be reached or used, or does not exist and ``create`` is false.
        """
        address = Address.of(url)
        names = Names(address.schema)
        server = await open_schema(address, names, create=create)
        return cls(address, names, pooled=server.pooled)

    def health(self) -> PostgresHealth:
        return PostgresHealth(self._address)

    def watch(self) -> HubWatch:
        self._refuse_closed()
        return HubWatch(self._hub)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._writing:
            await asyncio.wait(self._writing, timeout=_CLOSING_S)
        await self._notifier.close()
        await self._gathering.close()
        self._hub.close()
        await self._links.close()
        await self._commits.close()
        await self._transactions.close()
        await asyncio.to_thread(self._close_side)

    def _close_side(self) -> None:
        self._telling.close()
        self._side.run(self._side_links.close())
        self._side.close()
