"""The small records of the house. See :class:`holdfast.store.nouns.documents.Documents`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.approval import AuditEntry
from holdfast.records.document import Document, Put
from holdfast.store.sqlite import documents
from holdfast.store.sqlite.nouns.ways import Ways


class Documents(Ways):
    """Small records by kind and id."""

    async def document(self, kind: str, document_id: str, *, now: int) -> Document | None:
        return self._read(documents.get, kind, document_id, now)

    async def documents(self, kind: str, *, now: int, after: str = "", limit: int = 1000) -> list[Document]:
        return await self._read_apart(documents.page, kind, now, after, limit)

    async def put(self, puts: Sequence[Put], *, audit: Sequence[AuditEntry] = ()) -> bool:
        return await self._write(documents.put, puts, audit, rows=len(puts) + len(audit))

    async def sweep_documents(self, *, now: int, limit: int) -> int:
        return await self._write(documents.sweep, now, limit, rows=limit)
