"""Rows of users' own. See :class:`holdfast.store.nouns.transactions.Transactions`."""

from __future__ import annotations

from holdfast.store.postgres.nouns.ways import Ways
from holdfast.store.transactions import Transacted, Work


class Transactions(Ways):
    """Rows of users' own, in the database that their runs live in."""

    async def transact(self, worker_id: str, work: Work) -> Transacted:
        self._refuse_closed()
        return await self._transactions.transact(worker_id, work, self._reach)
