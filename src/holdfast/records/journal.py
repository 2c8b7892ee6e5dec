"""The journal: what a run's body has observed, in order."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What an entry says. Only OUTCOME, FIRED and CANCEL are delivered to the body."""

    INTENT = 1  # begun: an at_most_once effect, a child, a promise, a map
    ATTEMPT = 2  # failed, and to be tried again
    OUTCOME = 3
    FIRED = 4  # timers, packed: the value is a JSON list of their keys
    CANCEL = 5
    MARK = 6  # what ``ctx.changed`` answered


class Op(IntEnum):
    """What was called."""

    STEP = 1
    TOOL = 2
    CHILD = 3
    PROMISE = 4
    TIMER = 5
    MAP = 6
    RUN = 7  # the run itself: cancels, marks
    MODEL = 8  # a step that asks a model: its value is ``{"message": …, "usage": …}``, see ``records.usage``
    APPROVAL = 9  # a person was asked: its outcome is what they said, see ``records.approval``


# Entries and items are made for every step and every row that is read: named tuples, which are as frozen as dataclasses
# and take 0.7 µs to make instead of 1.6. Write their fields by name.


class Entry(NamedTuple):
    """One row of a journal."""

    seq: int  # 1, 2, 3 … per run and generation, shared with :class:`Item`
    kind: Kind
    op: Op
    key: str
    at: int
    ok: bool = True  # an outcome's: a value, or a failure
    guarded: bool = False  # tools, children, approvals, at_most_once: see DESIGN §3.2
    fingerprint: bytes = b""
    value: bytes = b""  # packed
    note: bytes = b""  # packed: a preview of the arguments, or all of them
    branch: int | None = None  # the map item inside which it happened: ``Item.branch`` of that item


class Item(NamedTuple):
    """The outcome of one item of a map: a row of its own instead of a journal entry."""

    map: int  # 64-bit hash of the map's key
    ord: int  # its place in the input, from 0
    branch: int  # 64-bit hash of its scope (map's key and item's key)
    seq: int
    at: int
    ok: bool = True
    value: bytes | None = b""  # packed; None: copy it from the child run of this map and ord
    within: int | None = None  # the branch in which the map itself runs


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemIndex:
    """All that a resumed map needs of its items until their values are asked for: parallel arrays, by ``seq``."""

    ords: array[int]
    branches: array[int]
    seqs: array[int]
    ats: array[int]
    oks: bytearray


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The children of one map: how many there are and how many have ended."""

    map: int
    total: int | None  # None while the parent still adds to them
    limit: int  # how many may run at once
    every: bool  # tell the parent of ends as they come (it streams), not only of the last
    first_failure: bool  # tell the parent of a failure at once
    done: int = 0
    key: str = ""  # the map's key


CANCEL, PAUSE = "cancel", "pause"
"""Keys of the news (op RUN) that asks a run to cancel, and its owner to pause it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """What somebody else has told a run and its journal does not hold yet."""

    wake: int  # the value of ``Run.wakes`` that announced it
    op: Op  # CHILD or PROMISE: an outcome for ``key``; MAP: children of that group ended; RUN: see CANCEL
    key: str
    ok: bool
    value: bytes  # packed value or failure


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What an activation begins with."""

    entries: Sequence[Entry]  # by seq, without those of finished branches
    maps: Mapping[int, ItemIndex]
    groups: Mapping[int, Group]
    news: Sequence[News]  # by wake, all after ``Run.seen``


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedChild:
    """A child of a group that has ended and whose item is not yet recorded."""

    ord: int
    branch: int
    ok: bool
