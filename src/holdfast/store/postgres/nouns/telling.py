"""What is told of runs and kept nowhere. See :class:`holdfast.store.nouns.telling.Telling`."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.store.postgres import telling
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.nouns.ways import Ways
from holdfast.store.postgres.statements import Names


class Telling(Ways):
    """What is told of runs while they are at work."""

    def __init__(self, address: Address, names: Names, *, pooled: bool) -> None:
        super().__init__(address, names, pooled=pooled)
        self._telling = telling.Telling(address, self._side, listens=self._listens)

    def tell(self, run_id: str, data: Callable[[], bytes]) -> None:
        self._telling.tell(run_id, data())  # who listens elsewhere is not known here

    def ears(self, run_id: str) -> telling.PostgresEars:
        self._refuse_closed()
        return self._telling.ears(run_id)
