"""Group commit: a batch of deltas in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from holdfast.errors import LeaseLost, StoreRejected
from holdfast.records.delta import Block, Delta, Finish, HandBack, Pause, Renew, Suspend, Verdict
from holdfast.records.journal import Item
from holdfast.records.run import Status
from holdfast.store.sqlite import approvals, files, news, renewal, runs
from holdfast.store.sqlite.statements import CLAIMS, COMMITS, NEWS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.values import INLINE, entry_row, keep, progress_text


def commit(tx: Transaction, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict]:
    """Apply a batch, unless it is the last one again: then say what became of it."""
    answered = _answered(tx, worker_id, number)
    if answered is not None:
        return answered
    batch = _Batch(tx, worker_id, deltas)
    verdicts = [batch.apply(delta) for delta in deltas]
    batch.flush()
    tx.run(COMMITS.move_counter, (number, bytes(verdict.value for verdict in verdicts), worker_id))
    return verdicts


def _answered(tx: Transaction, worker_id: str, number: int) -> list[Verdict] | None:
    counter = tx.row(COMMITS.counter, (worker_id,))
    if counter is None:
        raise LeaseLost(f"worker {worker_id} is gone: its lease expired and others took its runs")
    last, verdicts = counter
    if number == last:
        return [Verdict(value) for value in verdicts]
    if number > last + 1:
        raise LeaseLost(
            f"the store has forgotten commits of worker {worker_id} after {last}: its runs go on from there"
        )
    if number < last:
        raise StoreRejected(f"worker {worker_id} sent commit {number} after {last}: commits are numbered one by one")
    return None


def weight(delta: Delta) -> int:
    """About how many small rows it is to write."""
    values = 0
    for entry in delta.entries:  # not with generators: this is done for every step
        values += len(entry.value) + len(entry.note)
    for item in delta.items:
        values += len(item.value or b"")
    rows = len(delta.entries) + len(delta.items) + len(delta.files) + len(delta.children) + len(delta.cancels)
    rows += len(delta.approvals) + len(delta.withdrawn)
    return 1 + rows + values // INLINE


class _Batch:
    """Deltas on their way in. Rows gather, so that many deltas share a statement; ends see what gathered before."""

    def __init__(self, tx: Transaction, worker_id: str, deltas: Sequence[Delta]) -> None:
        self._tx = tx
        if len(deltas) == 1:
            owned = tx.rows(COMMITS.fence_one, (deltas[0].rid, worker_id))
        else:
            owned = tx.rows(COMMITS.fence, (json.dumps([delta.rid for delta in deltas]), worker_id))
        # Within one transaction a run stops being ours only by its own delta: see `_end`.
        self._owned: dict[int, tuple[int, str, int]] = {rid: (epoch, id, lost) for rid, epoch, id, lost in owned}
        self._entries: list[tuple[Any, ...]] = []
        self._items: list[tuple[Any, ...]] = []
        self._child_items: list[tuple[Any, ...]] = []
        self._seen: list[tuple[int, int]] = []
        self._progress: list[tuple[str | None, int]] = []
        self._forgiven: list[tuple[int]] = []

    def apply(self, delta: Delta) -> Verdict:
        """Apply one delta, or refuse it before anything of it is written."""
        epoch, run_id, lost = self._owned.get(delta.rid, (None, "", 0))
        if epoch != delta.epoch:
            return Verdict.REFUSED
        self._gather(delta)
        if lost and (delta.entries or delta.items):
            self._forgiven.append((delta.rid,))
        if delta.approvals or delta.withdrawn:
            self._ask_people(delta)
        if delta.promises or delta.groups or delta.children or delta.cancels or delta.cancel_groups:
            self._deal_with_others(delta, _time_of(self._tx, delta))
        return Verdict.APPLIED if delta.end is None else self._end(delta, run_id)

    def _gather(self, delta: Delta) -> None:
        tx, rid = self._tx, delta.rid
        for entry in delta.entries:
            self._entries.append(entry_row(tx, rid, entry))
        for item in delta.items:
            self._gather_item(rid, item)
        if delta.files:
            files.put(tx, rid, delta.files)
        if delta.seen is not None:
            self._seen.append((rid, delta.seen))
        if delta.progress is not None:
            self._progress.append((progress_text(delta.progress), rid))
        if delta.trace is not None:
            tx.run(COMMITS.keep_trace, (delta.trace, rid, delta.epoch))

    def _gather_item(self, rid: int, item: Item) -> None:
        row = (rid, item.map, item.ord, item.branch, item.seq, item.at, item.ok, item.within)
        if item.value is None:
            self._child_items.append(row)
        else:
            self._items.append((*row, keep(self._tx, rid, item.value)))

    def _deal_with_others(self, delta: Delta, at: int) -> None:
        tx = self._tx
        for promise in delta.promises:
            news.declare(tx, delta.rid, promise)
        for group in delta.groups:
            news.put_group(tx, delta.rid, group, at)
        if delta.children:
            runs.start_children(tx, delta.children)
        for run_id in delta.cancels:
            news.cancel(tx, run_id, "its parent cancelled it", at)
        for map in delta.cancel_groups:
            news.cancel_children(tx, delta.rid, "its parent cancelled the map", at, map=map)

    def _ask_people(self, delta: Delta) -> None:
        approvals.ask(self._tx, delta.rid, delta.approvals)
        if delta.withdrawn:
            approvals.withdraw(self._tx, delta.rid, delta.withdrawn, _time_of(self._tx, delta))

    def flush(self) -> None:
        """Write what has gathered."""
        tx = self._tx
        tx.each(COMMITS.add_entry, self._entries)
        tx.each(COMMITS.add_item, self._items)
        tx.each(COMMITS.add_child_item, self._child_items)
        if self._items or self._child_items:
            tx.each(NEWS.drop_ending, [row[:3] for row in (*self._items, *self._child_items)])
        if self._seen:
            tx.each(NEWS.forget, self._seen)
            tx.each(COMMITS.see, [(seen, rid) for rid, seen in self._seen])
        tx.each(COMMITS.tell_progress, self._progress)
        tx.each(COMMITS.forgive, self._forgiven)
        gathered: list[Any]
        for gathered in (
            self._entries, self._items, self._child_items, self._seen, self._progress, self._forgiven,
        ):  # fmt: skip
            gathered.clear()

    def _end(self, delta: Delta, run_id: str) -> Verdict:
        self.flush()
        tx, rid = self._tx, delta.rid
        match delta.end:
            case Suspend(wakes=wakes, wake_at=wake_at):
                if tx.row(COMMITS.suspend, {"rid": rid, "wakes": wakes, "wake_at": wake_at}) is None:
                    return Verdict.AWAKE
            case Finish(status=status, value=value, at=at, because=because):
                _finish(tx, rid, status, value, at, because)
            case Block(why=why):
                tx.run(CLAIMS.block, (keep(tx, rid, why), rid))
            case Pause(why=reason):
                kept = None if reason is None else keep(tx, rid, reason)
                tx.run(COMMITS.pause, {"rid": rid, "why": kept, "now": tx.now()})
            case Renew() as end:
                renewal.renew(tx, rid, run_id, end)
            case HandBack():
                tx.run(COMMITS.hand_back, {"rid": rid, "now": tx.now()})
        del self._owned[rid]
        tx.stirred = True
        return Verdict.APPLIED


def _time_of(tx: Transaction, delta: Delta) -> int:
    """When a delta happened, by the clock of its owner; the database's where it does not say."""
    if isinstance(delta.end, Finish):
        return delta.end.at
    said = [part.at for parts in (delta.entries, delta.items, delta.children) for part in parts[-1:]]
    return max(said) if said else tx.now()


def _finish(tx: Transaction, rid: int, status: Status, value: bytes, at: int, because: int | None) -> None:
    if not status.ended:
        raise StoreRejected(f"a run cannot finish as {status}")
    news.end(tx, rid, status, keep(tx, rid, value), at, because)
