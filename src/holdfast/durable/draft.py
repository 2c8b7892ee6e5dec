"""A delta in the making: gives entries and items their numbers and times."""

from __future__ import annotations

import json
from collections.abc import Sequence

from holdfast import codec
from holdfast.durable.asks import Approval, Child, Effect, ItemRef
from holdfast.durable.feed import DELIVERED, Delivery
from holdfast.records.approval import NewApproval
from holdfast.records.delta import Delta, End, NewPromise
from holdfast.records.files import FileInfo
from holdfast.records.journal import Entry, Group, Item, Kind, News, Op
from holdfast.records.run import NewRun, Progress

_BYTES = 4 * 2**20
_WRITES = 2000


class Draft:
    """Collects what a run is about to write.

    Args:
        last_seq: the number of the last entry or item that the run has written.
        at: the time of what is added.

    Attributes:
        bytes: about how much it holds.
        rows: how many rows it will write, without small ones.
        deliveries: what is to be delivered once it is durable, by number.
        noted: the other entries.
        counted: how many entries count towards the limit of a journal: what happens in maps does not.
        cancels_run: whether it holds the run's cancellation.
    """

    __slots__ = (
        "approvals", "at", "bytes", "cancel_groups", "cancels", "cancels_run", "children", "counted", "deliveries",
        "end", "entries",
        "files", "groups", "items", "last_seq", "noted", "progress", "promises", "rows", "seen", "withdrawn",
    )  # fmt: skip

    def __init__(self, last_seq: int, at: int) -> None:
        self.last_seq = last_seq
        self.at = at
        self.entries: list[Entry] = []
        self.items: list[Item] = []
        self.files: list[FileInfo] = []  # only together with entries or items
        self.promises: list[NewPromise] = []
        self.approvals: list[NewApproval] = []
        self.withdrawn: list[str] = []
        self.groups: list[Group] = []
        self.children: list[NewRun] = []
        self.cancels: list[str] = []
        self.cancel_groups: list[int] = []
        self.seen: int | None = None
        self.progress: Progress | None = None
        self.end: End | None = None
        self.bytes = 0
        self.rows = 0
        self.deliveries: list[Delivery] = []
        self.noted: list[Entry] = []
        self.counted = 0
        self.cancels_run = False

    def __bool__(self) -> bool:
        return bool(
            self.entries
            or self.items
            or self.promises
            or self.approvals
            or self.withdrawn
            or self.groups
            or self.children
            or self.cancels
            or self.cancel_groups
            or self.seen is not None
            or self.progress is not None
            or self.end is not None
        )

    @property
    def full(self) -> bool:
        """Whether the rest had better go into the next one."""
        return self.rows >= _WRITES or self.bytes >= _BYTES

    def entry(
        self,
        kind: Kind,
        op: Op,
        key: str,
        *,
        branch: int | None = None,
        ok: bool = True,
        guarded: bool = False,
        fingerprint: bytes = b"",
        value: bytes = b"",
        note: bytes = b"",
    ) -> Entry:
        """Add an entry."""
        self.last_seq += 1
        entry = Entry(self.last_seq, kind, op, key, self.at, ok, guarded, fingerprint, value, note, branch)
        self.entries.append(entry)
        self.bytes += len(value) + len(note)
        self.rows += 1
        if branch is None:
            self.counted += 1
        if kind in DELIVERED:
            self.deliveries.append(entry)
        else:
            self.noted.append(entry)
        return entry

    def intent(
        self,
        op: Op,
        key: str,
        *,
        branch: int | None,
        fingerprint: bytes = b"",
        note: bytes = b"",
        guarded: bool = False,
    ) -> Entry:
        """Add an intent."""
        packed = codec.pack(note) if note else b""
        return self.entry(Kind.INTENT, op, key, branch=branch, fingerprint=fingerprint, note=packed, guarded=guarded)

    def outcome(self, effect: Effect, *, ok: bool, value: bytes) -> None:
        """Add the outcome of an effect: an entry, or an item's row."""
        if effect.item is not None:
            self.item(effect.item, ok=ok, value=value)
            return
        self.entry(
            Kind.OUTCOME,
            effect.call.target.op,
            effect.key,
            branch=effect.branch,
            ok=ok,
            guarded=effect.call.guarded,
            fingerprint=effect.fingerprint,
            value=value,
            note=codec.pack(effect.note),
        )

    def attempt(self, effect: Effect, number: int, error: bytes, not_before: int) -> Entry:
        """Add a failed attempt; ``not_before`` is when the next may begin."""
        head = json.dumps({"attempt": number, "not_before": not_before}).encode()
        return self.entry(
            Kind.ATTEMPT,
            effect.call.target.op,
            effect.key,
            branch=effect.branch,
            ok=False,
            fingerprint=effect.fingerprint,
            value=error,
            note=codec.pack(head),
            guarded=effect.call.guarded,
        )

    def item(self, ref: ItemRef, *, ok: bool, value: bytes | None) -> None:
        """Add the outcome of a map's item."""
        self.last_seq += 1
        item = Item(ref.map, ref.ord, ref.branch, self.last_seq, self.at, ok, value, ref.within)
        self.items.append(item)
        self.deliveries.append(item)
        self.rows += 1
        if value is not None:
            self.bytes += len(value)

    def file(self, changes: Sequence[FileInfo]) -> None:
        """Add what has changed in the workspace."""
        self.files += changes
        self.rows += len(changes)

    def fired(self, keys: Sequence[str]) -> None:
        """Add the timers that are due, packed in one entry."""
        self.entry(Kind.FIRED, Op.TIMER, "~fired", value=json.dumps(keys).encode())

    def cancel(self, *, timed_out: bool, reason: str) -> None:
        """Add a cancellation."""
        self.cancels_run = True
        self.entry(
            Kind.CANCEL, Op.RUN, "~cancel", value=json.dumps({"timed_out": timed_out, "reason": reason}).encode()
        )

    def news(self, news: News, branch: int | None) -> None:
        """Add what somebody else has told the run: the outcome of a child or a promise, and of which branch."""
        self.entry(Kind.OUTCOME, news.op, news.key, branch=branch, ok=news.ok, value=news.value)

    def child(self, ask: Child, run: NewRun) -> Entry | None:
        """Add a child; its intent too, unless its group stands for it."""
        self.children.append(run)
        self.bytes += len(run.input)
        self.rows += 1
        if ask.item is not None:
            return None
        return self.intent(
            Op.CHILD, ask.key, branch=ask.branch, fingerprint=ask.fingerprint, note=ask.arguments, guarded=True
        )

    def ask_people(self, ask: Approval, asked: NewApproval) -> None:
        """Add what people are asked, and its intent, which knows the id."""
        self.approvals.append(asked)
        self.bytes += len(asked.body)
        self.rows += 1
        note = asked.id.encode()
        self.intent(Op.APPROVAL, ask.key, branch=ask.branch, fingerprint=ask.fingerprint, note=note, guarded=True)

    def delta(self, rid: int, epoch: int) -> Delta:
        """The finished delta."""
        return Delta(
            rid, epoch, tuple(self.entries), tuple(self.items), tuple(self.files), tuple(self.promises),
            tuple(self.approvals), tuple(self.withdrawn), tuple(self.groups), tuple(self.children),
            tuple(self.cancels), tuple(self.cancel_groups),
            self.seen, self.progress, None, self.end,
        )  # fmt: skip


def renumbered(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Entries as the first ones of a fresh journal."""
    return tuple(entry._replace(seq=number) for number, entry in enumerate(entries, 1))
