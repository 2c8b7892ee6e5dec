"""Sending rulings to the store, again if nobody knows what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.errors import CommitUnknown
from holdfast.records.approval import Ruled, Ruling
from holdfast.records.document import Put
from holdfast.store.base import Store

_SENDS = 5


async def send(store: Store, rulings: Sequence[Ruling], *, puts: Sequence[Put] = ()) -> list[Ruled]:
    """Apply rulings: see ``Approvals.rule``. One that was applied before the connection broke is not applied twice.

    Raises:
        StoreError: the store does not answer.
    """
    for _ in range(_SENDS - 1):
        try:
            return await store.rule(rulings, puts=puts)
        except CommitUnknown:
            continue
    return await store.rule(rulings, puts=puts)
