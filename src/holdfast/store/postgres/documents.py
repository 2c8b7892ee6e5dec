"""Documents: records as the statements take them, and rows to records."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.document import Document, Put
from holdfast.store.postgres.columns import Columns, turned
from holdfast.store.postgres.text import read, stored
from holdfast.store.postgres.values import Row


def of_puts(puts: Sequence[Put]) -> Columns:
    """Changes in the order in which all take their locks."""
    rows = [(stored(put.kind), stored(put.id), put.revision, put.body, put.expires_at) for put in puts]
    return turned(sorted(rows, key=lambda row: row[:2]), 5)


def document_of(row: Row) -> Document:
    """The document of a row."""
    kind, id, revision, body, expires_at = row
    return Document(kind=read(kind), id=read(id), revision=revision, body=body, expires_at=expires_at)
