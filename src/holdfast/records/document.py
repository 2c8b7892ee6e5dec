"""Documents: small records of the house, and how they change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A small record of the house: a person, a token, a standing approval, a channel."""

    kind: str
    id: str
    revision: int  # raised by every change, from 1
    body: bytes  # packed JSON
    expires_at: int | None = None  # from then on it is as if it were not there


@dataclass(frozen=True, kw_only=True, slots=True)
class Put:
    """A change of a document by compare-and-set."""

    kind: str
    id: str
    revision: int  # what it must have now; 0: it must not be there
    body: bytes | None  # None: delete it
    expires_at: int | None = None
