"""Handles to runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from holdfast.clock import Duration

R = TypeVar("R")


class Run(ABC, Generic[R]):
    """A run that was started, as seen by whoever holds its id.

    Attributes:
        id: its id, which any process can find it by.
    """

    id: str

    @abstractmethod
    async def result(self, *, timeout: Duration | None = None) -> R:
        """Wait for its result."""

    @abstractmethod
    async def status(self) -> str:
        """Where it stands: one of the words of :class:`~holdfast.records.run.Status`."""

    @abstractmethod
    async def cancel(self, *, reason: str = "") -> None:
        """Ask it to cancel; does not wait for its end."""

    def __repr__(self) -> str:
        return f"<run {self.id}>"
