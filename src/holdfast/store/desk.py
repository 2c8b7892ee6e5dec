"""The contract of a store, continued: what people are asked and have said, and the small records of the house.

See :mod:`holdfast.store.base` for what holds of all methods.
"""

from __future__ import annotations

from typing import Protocol

from holdfast.store.nouns.approvals import ApprovalFilter, Approvals
from holdfast.store.nouns.documents import Documents
from holdfast.store.nouns.outbox import Outbox

__all__ = ["ApprovalFilter", "Approvals", "Desk", "Documents", "Outbox"]


class Desk(Approvals, Documents, Outbox, Protocol):
    """All of the above."""
