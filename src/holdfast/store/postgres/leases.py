"""Keeping a lease: from a thread of its own, on a connection of its own, in the database's time."""

from __future__ import annotations

from contextlib import suppress

from holdfast.errors import StoreBusy, StoreError
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.links import Limits, Links
from holdfast.store.postgres.sideloop import SideLoop
from holdfast.store.postgres.statements import LEASES, Names


class PostgresKeeper:
    """Renews one lease; see :class:`holdfast.store.base.LeaseKeeper`.

    A commit that takes long, an event loop that is stuck, or a pool without a free connection must not cost the lease.
    """

    def __init__(self, address: Address, names: Names, worker_id: str, ttl: int, *, pooled: bool) -> None:
        self._worker_id, self._ttl, self._shown = worker_id, ttl, address.shown
        self._links = Links(address, names, size=1, pooled=pooled)
        self._links.limits = Limits.of_lease(ttl // 1000)
        self._patience = max(
            1.0, min(10.0, ttl / 3_000_000)
        )  # then it is tried again: there may be another host by then
        self._side = SideLoop("holdfast-keeper")

    def renew(self) -> bool:
        """See :class:`holdfast.store.base.LeaseKeeper`."""
        try:
            return bool(self._side.run(self._links.value(LEASES.renew, self._worker_id, self._ttl), self._patience))
        except TimeoutError:
            raise StoreBusy(f"{self._shown} has not answered for {self._patience:g} s") from None

    def close(self) -> None:
        """See :class:`holdfast.store.base.LeaseKeeper`."""
        with suppress(StoreError, TimeoutError, RuntimeError):
            self._side.run(self._links.close(), 2)
        self._side.close()
