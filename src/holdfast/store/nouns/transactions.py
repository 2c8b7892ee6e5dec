"""Rows of users' own."""

from __future__ import annotations

from typing import Protocol

from holdfast.store.transactions import Transacted, Work


class Transactions(Protocol):
    """Rows of users' own, in the database that their runs live in."""

    async def transact(self, worker_id: str, work: Work) -> Transacted:
        """Do work in a transaction of its own, and keep its value under its key in that transaction: all or nothing.

        A key that is kept already has happened: nothing is done, and what is kept is answered. What is kept goes with
        the run's rows, and when the run begins again (:class:`~holdfast.records.delta.Renew`).

        The owner is checked in the same transaction, by the run's epoch, worker and status. A store whose writers stand
        in line checks first; one in which the work may take long checks last, under the run's lock, and finds out under
        the same lock whether another has kept the key meanwhile: then it rolls back and answers that.
        What the work does is refused or fails if it would end the transaction. It is rolled back if at its end nobody
        wants it any more (``work.wanted``), or it took longer than ``work.limit``.

        Raises:
            WorkFailed: the work raised; nothing was written.
            WorkTooLong: it took longer than it may; nothing was written.
            BadOption: work of this kind (async or not) is none for this store; it was not begun.
            LeaseLost: the run has another owner; nothing was written.
            StoreBusy: nothing was written.
            CommitUnknown: send the same work again: its key tells whether it was done.
        """
