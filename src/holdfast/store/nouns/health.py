"""How a store is."""

from __future__ import annotations

from typing import Protocol

from holdfast.records.health import Look


class Health(Protocol):
    """A look at a store that may be in any state. It changes and creates nothing, and does not wait for long."""

    url: str

    def look(self, *, deep: bool = False) -> Look:
        """Look at it. Blocking, for some seconds at the most.

        Args:
            deep: check all that is stored, however long that takes.

        Returns:
            What was found, bad or good. Nothing that is wrong with the store is raised.
        """
