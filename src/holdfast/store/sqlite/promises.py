"""Promises: write-once values."""

from __future__ import annotations

from holdfast.errors import UnknownRun
from holdfast.records.journal import Op
from holdfast.records.run import Status
from holdfast.store.sqlite import news
from holdfast.store.sqlite.statements import PROMISES, RUNS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.values import keep


def resolve(tx: Transaction, promise_id: str, ok: bool, value: bytes, at: int) -> bool:
    """Resolve a promise once, while its run lives."""
    run_id, _, name = promise_id.partition("/")
    run = tx.row(RUNS.standing, (run_id,))
    if run is None:
        raise UnknownRun(f"promise {promise_id!r}: no run has the id {run_id!r}")
    rid, status = run[0], Status(run[1])
    done, key = tx.row(PROMISES.state, (promise_id,)) or (None, name)
    if done is not None or status.ended:
        return False
    stored = keep(tx, rid, value)
    tx.run(PROMISES.resolve, (promise_id, rid, key, ok, stored, at))
    return news.tell(tx, rid, Op.PROMISE, key, ok, stored, at)
