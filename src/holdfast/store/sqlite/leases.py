"""Leases: workers' rights to execute runs, in the database's time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import apsw

from holdfast.records.worker import Hosted, Worker
from holdfast.store.rows import hosts_text, worker_of
from holdfast.store.sqlite import guard
from holdfast.store.sqlite.edge import edge
from holdfast.store.sqlite.opening import connect
from holdfast.store.sqlite.statements import CONNECTION, LEASES
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.turnstile import Turnstile


def register(tx: Transaction, worker_id: str, host: str, pid: int, hosts: Sequence[Hosted], ttl: int) -> None:
    """Insert a worker."""
    now = tx.now()
    tx.run(LEASES.register, (worker_id, host, pid, hosts_text(hosts), now, now + ttl))
    tx.stirred = True


def release(tx: Transaction, worker_id: str) -> None:
    """Delete a worker and queue its runs."""
    tx.run(LEASES.delete, (worker_id,))
    tx.run(LEASES.hand_back, {"worker": worker_id, "now": tx.now()})
    tx.stirred = True


def workers(db: apsw.Connection) -> list[Worker]:
    """All workers alive."""
    now = db.execute(CONNECTION.now).get
    return [worker_of(row) for row in db.execute(LEASES.all, (now,))]


class SqliteKeeper:
    """Renews one lease from a thread of its own.

    It has a connection and a place in line of its own: a commit that takes long, or an event loop that is stuck, must
    not cost the lease. Its commits need not be synced: after a power failure there is no worker whose lease to keep.
    """

    def __init__(self, path: Path, sidecar: Path, worker_id: str, ttl: int) -> None:
        self._path, self._worker_id, self._ttl = path, worker_id, ttl
        with edge(str(path)):
            self._db = connect(path, write=True, durable=False)
        guard.protect(str(path))
        self._turnstile = Turnstile(sidecar)
        self._open = True

    def renew(self) -> bool:
        """See :class:`holdfast.store.base.LeaseKeeper`."""
        self._turnstile.acquire()
        try:
            with edge(str(self._path)):
                return bool(self._db.execute(LEASES.renew, (self._worker_id, self._ttl)).fetchall())
        finally:
            self._turnstile.release()

    def close(self) -> None:
        """See :class:`holdfast.store.base.LeaseKeeper`."""
        if self._open:
            self._open = False
            with suppress(apsw.Error):
                self._db.close(True)
            self._turnstile.close()
            guard.unprotect(str(self._path))
