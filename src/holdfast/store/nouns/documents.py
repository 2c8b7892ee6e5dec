"""The small records of the house."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.records.approval import AuditEntry
from holdfast.records.document import Document, Put


class Documents(Protocol):
    """Small records by kind and id."""

    async def document(self, kind: str, document_id: str, *, now: int) -> Document | None:
        """The document, unless it has expired."""

    async def documents(self, kind: str, *, now: int, after: str = "", limit: int = 1000) -> list[Document]:
        """Documents of a kind that have not expired, by id, those after an id."""

    async def put(self, puts: Sequence[Put], *, audit: Sequence[AuditEntry] = ()) -> bool:
        """Apply all changes, or none: False if one does not find the revision that it asks for.

        A document that has expired counts as there. Audit entries are written with the changes, or not.
        """

    async def sweep_documents(self, *, now: int, limit: int) -> int:
        """Delete expired ones; says how many went."""
