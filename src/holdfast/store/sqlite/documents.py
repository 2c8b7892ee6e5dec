"""Documents: small records of the house, changed by compare-and-set."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from holdfast.records.approval import AuditEntry
from holdfast.records.document import Document, Put
from holdfast.store.sqlite import audit
from holdfast.store.sqlite.statements import DOCUMENTS
from holdfast.store.sqlite.transaction import Transaction


def get(db: apsw.Connection, kind: str, document_id: str, now: int) -> Document | None:
    """A document that has not expired."""
    row = db.execute(DOCUMENTS.get, {"kind": kind, "id": document_id, "now": now}).fetchone()
    return None if row is None else _document_of(*row)


def page(db: apsw.Connection, kind: str, now: int, after: str, limit: int) -> list[Document]:
    """Documents of a kind."""
    which = {"kind": kind, "now": now, "after": after, "limit": limit}
    return [_document_of(*row) for row in db.execute(DOCUMENTS.page, which)]


def put(tx: Transaction, puts: Sequence[Put], entries: Sequence[AuditEntry]) -> bool:
    """Change documents and say so in the audit trail, all or nothing."""
    if not fits(tx, puts):
        return False
    write(tx, puts)
    audit.append(tx, entries)
    return True


def fits(tx: Transaction, puts: Sequence[Put]) -> bool:
    """Whether each put finds the revision that it asks for, those before it included."""
    known: dict[tuple[str, str], int] = {}
    for put in puts:
        place = (put.kind, put.id)
        if place not in known:
            known[place] = tx.value(DOCUMENTS.revision, place) or 0
        if known[place] != put.revision:
            return False
        known[place] = 0 if put.body is None else put.revision + 1
    return True


def write(tx: Transaction, puts: Sequence[Put]) -> None:
    """Write what fits."""
    for put in puts:
        if put.body is None:
            tx.run(DOCUMENTS.drop, (put.kind, put.id))
        else:
            tx.run(DOCUMENTS.put, (put.kind, put.id, put.revision + 1, put.body, put.expires_at))
        tx.stirred = True


def sweep(tx: Transaction, now: int, limit: int) -> int:
    """Delete expired ones."""
    return len(tx.rows(DOCUMENTS.sweep, {"now": now, "limit": limit}))


def _document_of(kind: str, id: str, revision: int, body: bytes, expires_at: int | None) -> Document:
    return Document(kind=kind, id=id, revision=revision, body=body, expires_at=expires_at)
