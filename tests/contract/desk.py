"""What the tests of approvals, documents and the outbox make."""

from __future__ import annotations

import itertools
from typing import Any

from holdfast.records.approval import Approval, ApprovalState, AuditEntry, NewApproval, Ruled, Ruling
from holdfast.records.document import Put
from holdfast.records.run import Run
from holdfast.store.base import Store
from tests.contract.making import NOW, Hand, delta

_numbers = itertools.count(1)


def asked(id: str | None = None, **changes: Any) -> NewApproval:
    id = id or f"approval-{next(_numbers):09d}"
    fields: dict[str, Any] = {
        "id": id, "key": f"~approve:{id}#1", "to": (), "risk": 0, "due_at": None, "digest": "d0", "body": b"body",
        "at": NOW,
    }  # fmt: skip
    return NewApproval(**{**fields, **changes})


def ruling(of: Approval, state: ApprovalState = ApprovalState.APPROVED, *, by: str = "ann", **changes: Any) -> Ruling:
    at = changes.get("at", NOW + 1)
    fields: dict[str, Any] = {
        "id": of.id, "revision": of.revision, "state": state, "to": of.to, "due_at": of.due_at, "digest": of.digest,
        "body": of.body, "decision": None if state is ApprovalState.PENDING else f"{state} by {by}".encode(), "at": at,
        "audit": AuditEntry(at=at, actor=by, action=f"approval.{state}", subject=of.id, run_id=of.run_id),
    }  # fmt: skip
    return Ruling(**{**fields, **changes})


def put(id: str = "ann", body: bytes | None = b"{}", *, kind: str = "person", revision: int = 0, **more: Any) -> Put:
    return Put(kind=kind, id=id, revision=revision, body=body, **more)


CHANNEL = put("hook", kind="channel")


async def ask(worker: Hand, run: Run, *new: NewApproval) -> list[Approval]:
    """Let a run ask, and look at what it has asked."""
    await worker.commit(delta(run, approvals=new))
    return [await found(worker.store, one.id) for one in new]


async def found(store: Store, id: str) -> Approval:
    approval = await store.approval(id)
    assert approval is not None
    return approval


async def rule(store: Store, *rulings: Ruling) -> list[Ruled]:
    return await store.rule(rulings)
