"""The small records of the house. See :class:`holdfast.store.nouns.documents.Documents`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.approval import AuditEntry
from holdfast.records.document import Document, Put
from holdfast.store.insisting import several
from holdfast.store.postgres.approvals import of_audit
from holdfast.store.postgres.documents import document_of, of_puts
from holdfast.store.postgres.nouns.ways import Ways, first
from holdfast.store.postgres.statements import APPROVALS, DOCUMENTS
from holdfast.store.postgres.text import stored


class Documents(Ways):
    """Small records by kind and id."""

    async def document(self, kind: str, document_id: str, *, now: int) -> Document | None:
        rows = await self._links.fetch(DOCUMENTS.get, stored(kind), stored(document_id), now)
        return document_of(rows[0]) if rows else None

    async def documents(self, kind: str, *, now: int, after: str = "", limit: int = 1000) -> list[Document]:
        rows = await self._links.fetch(DOCUMENTS.page, stored(kind), stored(after), now, limit)
        return [document_of(row) for row in rows]

    async def put(self, puts: Sequence[Put], *, audit: Sequence[AuditEntry] = ()) -> bool:
        given = (*of_puts(puts), *of_audit(audit))

        async def send(again: bool) -> bool:
            done = bool(first(await self._links.write(DOCUMENTS.put, *given)))
            return done or (again and await self._was_put(puts, audit))

        return await self._insist(f"change {several('document', [f'{put.kind} {put.id}' for put in puts])}", send)

    async def _was_put(self, puts: Sequence[Put], audit: Sequence[AuditEntry]) -> bool:
        if audit:
            return bool(await self._links.value(APPROVALS.was_noted, *of_audit(audit)))
        if all(put.body is None for put in puts):
            return False  # leaves no trace, and what is used up once (a login) is not credited to two
        last = {(put.kind, put.id): put for put in puts}
        return bool(await self._links.value(DOCUMENTS.was_put, *of_puts(list(last.values()))))

    async def sweep_documents(self, *, now: int, limit: int) -> int:
        return int(first(await self._do(self._links.fetch(DOCUMENTS.sweep, now, limit))))
