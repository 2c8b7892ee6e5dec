"""Waiting for change."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Waits for change. Notifications may be lost: it also returns when polling finds something, or time is up."""

    async def wait(self, timeout: float) -> None:
        """Return soon after anything changed in the store, by whatever process, or after ``timeout`` seconds."""

    def close(self) -> None:
        """Stop watching; a pending ``wait`` returns."""
