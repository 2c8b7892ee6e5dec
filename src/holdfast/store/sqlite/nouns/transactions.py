"""Rows of users' own. See :class:`holdfast.store.nouns.transactions.Transactions`."""

from __future__ import annotations

from holdfast.store.sqlite import transactions
from holdfast.store.sqlite.nouns.ways import MANY, Ways
from holdfast.store.transactions import Transacted, Work


class Transactions(Ways):
    """Rows of users' own, in the file that their runs live in."""

    async def transact(self, worker_id: str, work: Work) -> Transacted:
        transactions.refuse_async(work)
        return await self._write(transactions.transact, worker_id, work, rows=MANY)
