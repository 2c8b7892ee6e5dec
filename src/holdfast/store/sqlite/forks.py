"""Forks: runs that begin with a copy of another's journal. Moves of runs to another version."""

from __future__ import annotations

from holdfast.errors import StoreRejected, UnknownRun
from holdfast.records.repair import Fork
from holdfast.store.sqlite import files
from holdfast.store.sqlite.repairs import tie_up
from holdfast.store.sqlite.statements import REPAIRS, RUNS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.values import keep


def fork(tx: Transaction, run_id: str, fork: Fork) -> bool:
    """Make the fork, unless its id or key is taken."""
    origin = tx.row(REPAIRS.origin, (run_id,))
    if origin is None:
        raise UnknownRun(f"no run {run_id!r}, so it cannot be forked")
    if tx.value(REPAIRS.taken, {"id": fork.id, "agent": origin[1], "key": fork.key}):
        return False
    rid = int(tx.value(RUNS.last_rid)) + 1
    _copy(tx, rid, origin[0], fork)
    _leave_out_what_was_going_on(tx, rid, fork)
    tx.each(RUNS.add_tag, [(rid, tag) for tag in fork.tags])
    tx.stirred = True
    return True


def _copy(tx: Transaction, rid: int, origin: int, fork: Fork) -> None:
    which = {"rid": rid, "origin": origin, "seq": fork.seq}
    tx.run(
        REPAIRS.copy_run,
        {
            **which, "id": fork.id, "version": fork.version, "key": fork.key, "at": fork.at,
            "keep_keys": fork.keep_keys, "by": fork.by,
        },
    )  # fmt: skip
    tx.run(REPAIRS.copy_blobs, which)
    tx.run(REPAIRS.own_input, {"rid": rid})
    tx.run(REPAIRS.copy_journal, which)
    tx.run(REPAIRS.copy_items, which)
    files.copy(tx, origin, rid, fork.seq)
    if fork.edit is not None:
        changed = {"rid": rid, "seq": fork.seq, "ok": fork.edit.ok, "value": keep(tx, rid, fork.edit.value)}
        if tx.row(REPAIRS.edit, changed) is None:
            raise StoreRejected(f"entry {fork.seq} holds no outcome that could be changed")
    tx.run(REPAIRS.copy_promises, {"rid": rid, "origin": origin, "id": fork.id})


def _leave_out_what_was_going_on(tx: Transaction, rid: int, fork: Fork) -> None:
    tx.run(REPAIRS.forget_begun, {"rid": rid})
    tie_up(tx, rid)
    tx.run(REPAIRS.count_entries, {"rid": rid})


def move(tx: Transaction, run_id: str, version: str, epoch: int, entries: int) -> bool:
    """Let a run go on as another version, if it still is what the caller has looked at."""
    done = tx.row(REPAIRS.move, {"id": run_id, "version": version, "epoch": epoch, "entries": entries}) is not None
    tx.stirred = tx.stirred or done
    return done
