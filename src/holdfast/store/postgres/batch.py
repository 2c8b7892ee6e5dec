"""A batch of deltas as the routine ``commit`` takes it: one row per thing written, in columns, by the delta's place."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from typing import Any

from holdfast import codec
from holdfast.errors import StoreRejected
from holdfast.records.delta import Block, Delta, Finish, HandBack, Pause, Renew, Suspend
from holdfast.records.journal import Entry
from holdfast.records.run import NewRun
from holdfast.store.filerows import KINDS, chunks_bytes
from holdfast.store.postgres.approvals import asked
from holdfast.store.postgres.columns import of_runs, turned
from holdfast.store.postgres.statements import COMMITS
from holdfast.store.postgres.text import stored
from holdfast.store.postgres.values import progress_text

_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
_END_WIDTH = 8
ORPHANED, FALLEN = "its parent has ended", "its parent cancelled"
_OF_CANCELS = ("its parent cancelled it", "its parent cancelled the map", FALLEN)


def cancelled(reason: str) -> bytes:
    """The packed failure of a cancelled run, which is also the value of the news that asks for it."""
    return codec.pack_failure("Cancelled", reason)


class Batch:
    """Gathers the rows of deltas."""

    def __init__(self, deltas: Sequence[Delta]) -> None:
        self._heads: list[tuple[int, int, int]] = []
        self._entries: list[tuple[Any, ...]] = []
        self._items: list[tuple[Any, ...]] = []
        self._files: list[tuple[Any, ...]] = []
        self._uses: dict[tuple[int, bytes], None] = {}
        self._seen: list[tuple[int, int]] = []
        self._progress: list[tuple[int, str]] = []
        self._traces: list[tuple[int, str]] = []
        self._children: list[NewRun] = []
        self._children_of: list[int] = []
        self._acts: dict[str, list[dict[str, Any]]] = {}
        self._ends: list[tuple[Any, ...]] = []
        self._renewals: list[dict[str, Any] | None] = []
        self._reasons: set[str] = set()
        ends: Counter[int] = Counter()  # by run: what follows an end is of a later round
        for n, delta in enumerate(deltas, 1):
            self._heads.append((delta.rid, delta.epoch, ends[delta.rid]))
            self._gather(n, delta)
            if delta.end is not None:
                ends[delta.rid] += 1

    def statement(self, worker_id: str, number: int) -> tuple[Any, ...]:
        """What applies this, with what it is given."""
        given = (worker_id, number, *turned(self._heads, 3), *turned(self._entries, 12))
        rest = (
            self._items, self._files, self._uses, self._seen, self._progress, self._traces, self._children, self._acts,
            self._ends,
        )  # fmt: skip
        return (COMMITS.commit, *given, *self._rest()) if any(rest) else (COMMITS.append, *given)

    def _rest(self) -> tuple[Any, ...]:
        renewals = self._renewals if any(self._renewals) else None
        packed = {reason: _text(cancelled(reason)) for reason in self._reasons}
        return (
            *turned(self._items, 9), *turned(self._files, 8), *turned(list(self._uses), 2),
            *turned(self._seen, 2), *turned(self._progress, 2), *turned(self._traces, 2),
            self._children_of, *of_runs(self._children),
            json.dumps(self._acts) if self._acts else None, *turned(self._ends, _END_WIDTH),
            None if renewals is None else json.dumps(renewals), json.dumps(packed) if packed else None,
        )  # fmt: skip

    @property
    def stirs(self) -> bool:
        """Whether others may wait for something of this."""
        return bool(self._ends or self._children or self._acts)

    def _gather(self, n: int, delta: Delta) -> None:
        for entry in delta.entries:
            self._entries.append(
                (n, entry.seq, entry.kind, entry.op, stored(entry.key), entry.at, entry.ok, entry.guarded, entry.branch,
                 entry.fingerprint, entry.value, entry.note)
            )  # fmt: skip
        for item in delta.items:
            self._items.append(
                (n, item.map, item.ord, item.branch, item.seq, item.at, item.ok, item.within, item.value)
            )
        if delta.files:
            self._gather_files(n, delta)
        if delta.seen is not None:
            self._seen.append((n, delta.seen))
        if delta.progress is not None:
            self._progress.append((n, progress_text(delta.progress)))
        if delta.trace is not None:
            self._traces.append((n, delta.trace))
        if delta.children:
            self._children += delta.children
            self._children_of += [n] * len(delta.children)
            self._reasons |= {ORPHANED, FALLEN}
        if delta.promises or delta.groups or delta.cancels or delta.cancel_groups:
            self._gather_acts(n, delta)
        if delta.approvals or delta.withdrawn:
            self._gather_approvals(n, delta)
        if delta.end is not None:
            self._gather_end(n, delta)

    def _gather_files(self, n: int, delta: Delta) -> None:
        for file in delta.files:
            kind = _KIND_NUMBERS[file.kind]
            self._files.append((n, file.path, file.seq, kind, file.mode, file.size, file.target, chunks_bytes(file)))
            for chunk in file.chunks:
                self._uses[n, chunk.digest] = None

    def _gather_acts(self, n: int, delta: Delta) -> None:
        at = _time_of(delta)
        for promise in delta.promises:
            self._act("promises", n=n, id=stored(promise.id), key=stored(promise.key), schema=_text(promise.schema))
        for group in delta.groups:
            self._act(
                "groups", n=n, map=group.map, key=stored(group.key), total=group.total, lim=group.limit,
                every=group.every, first_failure=group.first_failure, at=at,
            )  # fmt: skip
        for run_id in delta.cancels:
            self._act("cancels", n=n, id=run_id, at=at)
        for map in delta.cancel_groups:
            self._act("cancel_groups", n=n, map=map, at=at)
        if delta.cancels or delta.cancel_groups:
            self._reasons.update(_OF_CANCELS)

    def _gather_approvals(self, n: int, delta: Delta) -> None:
        for new in delta.approvals:
            self._act("approvals", n=n, body=_text(new.body), **asked(new))
        for approval_id in delta.withdrawn:
            self._act("withdrawn", n=n, id=stored(approval_id), at=_time_of(delta))

    def _act(self, kind: str, **fields: Any) -> None:
        self._acts.setdefault(kind, []).append(fields)

    def _gather_end(self, n: int, delta: Delta) -> None:
        row: tuple[Any, ...]
        renewal = None
        match delta.end:
            case Suspend(wakes=wakes, wake_at=wake_at):
                row = ("suspend", wakes, wake_at, None, None, None, None)
            case Finish(status=status, value=value, at=at, because=because):
                if not status.ended:
                    raise StoreRejected(f"a run cannot finish as {status}")
                row = ("finish", None, None, str(status), value, at, because)
                self._reasons.add(f"its parent {status}")
            case Block(why=why):
                row = ("block", None, None, None, why, None, None)
            case Pause(why=reason):
                row = ("pause", None, None, None, reason, None, None)
            case Renew() as end:
                row = ("renew", None, None, None, None, None, None)
                renewal = _renewal(end)
                self._reasons.add("its parent began again")
            case HandBack():
                row = ("hand_back", None, None, None, None, None, None)
        self._ends.append((n, *row))
        self._renewals.append(renewal)


def _time_of(delta: Delta) -> int | None:
    """When a delta happened, by the clock of its owner; None (the database's) where it does not say."""
    if isinstance(delta.end, Finish):
        return delta.end.at
    return max((part.at for parts in (delta.entries, delta.items, delta.children) for part in parts[-1:]), default=None)


def _renewal(end: Renew) -> dict[str, Any]:
    return {
        "agent": end.agent, "version": end.version, "digest": _text(end.digest), "input": _text(end.input),
        "carry": [_carried(entry) for entry in end.carry],
    }  # fmt: skip


def _carried(entry: Entry) -> dict[str, Any]:
    packed = {name: _text(getattr(entry, name)) for name in ("fingerprint", "value", "note")}
    return {**entry._asdict(), **packed, "key": stored(entry.key)}


def _text(packed: bytes) -> str:
    return b64encode(packed).decode()
