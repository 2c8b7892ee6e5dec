"""Forks: where a run can be forked, which of its calls are kept, and which are made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.durable.recorded import name_in
from holdfast.errors import BadOption, WrongState
from holdfast.records.journal import Entry, ItemIndex, Kind, Op
from holdfast.records.run import Run

_CALLS = (Op.STEP, Op.TOOL, Op.MODEL, Op.CHILD, Op.PROMISE, Op.APPROVAL)


@dataclass(frozen=True, kw_only=True, slots=True)
class ForkPlan:
    """What a fork of a run would be.

    Attributes:
        at: the number of the last entry that the fork has in common with its origin; 0 for none.
        kept: keys of the calls whose recorded outcome the fork begins with, in order; of maps' items, their number.
        changed: the key of the call that the fork begins with another outcome of, if any.
        again: keys of the calls that the origin made and the fork makes again, if its code still asks for them.
    """

    at: int
    kept: tuple[str, ...]
    changed: str | None = None
    again: tuple[str, ...]


def plan_fork(
    run: Run, entries: Sequence[Entry], maps: dict[str, ItemIndex], at: int | str, *, edited: bool = False
) -> ForkPlan:
    """Where to fork, and what follows from it.

    Args:
        run: the origin.
        entries: its whole journal.
        maps: the items of its maps, by a name for each map.
        at: the number of an entry or item, 0 for the beginning; or a call: its key, or the name of its function. Then
            the fork comes just before its first outcome.
        edited: whether that outcome will be another. Then a call stands for its first outcome itself.

    Raises:
        BadOption: there is no such entry or call, or none whose outcome could be another (people's decisions cannot).
        WrongState: the run was asked to cancel before that.
    """
    if isinstance(at, str):
        number = _first_outcome(run, entries, at) - (0 if edited else 1)
    else:
        number = _existing(run, entries, maps, at)
    changed = _changeable(run, entries, number).key if edited else None
    cancelled = next((entry.seq for entry in entries if entry.kind is Kind.CANCEL), None)
    if cancelled is not None and cancelled <= number:
        raise WrongState(
            f"run {run.id} was being cancelled from entry {cancelled} on: a fork at {number} would be too. "
            f"Fork it at {cancelled - 1} or before"
        )
    kept = [entry.key for entry in entries if _is_call(entry) and entry.seq <= number]
    done = set(kept)
    kept = [key for key in kept if key != changed]
    again = {entry.key: None for entry in entries if _may_be_made_again(entry) and entry.key not in done}
    for name, index in maps.items():
        before = sum(seq <= number for seq in index.seqs)
        kept += [f"{name} ({before} items)"] if before else []
        again |= {f"{name} ({len(index.seqs) - before} items)": None} if before < len(index.seqs) else {}
    return ForkPlan(at=number, kept=tuple(kept), changed=changed, again=tuple(again))


def _is_call(entry: Entry) -> bool:
    return entry.kind is Kind.OUTCOME and entry.op in _CALLS


def _may_be_made_again(entry: Entry) -> bool:
    return entry.op in _CALLS and entry.kind in (Kind.OUTCOME, Kind.INTENT, Kind.ATTEMPT)


def _first_outcome(run: Run, entries: Sequence[Entry], call: str) -> int:
    for entry in entries:
        if _is_call(entry) and call in (entry.key, name_in(entry.key)):
            return entry.seq
    raise BadOption(f"run {run.id} has recorded no outcome of a call {call!r}: `holdfast runs export` shows its calls")


def _changeable(run: Run, entries: Sequence[Entry], number: int) -> Entry:
    for entry in entries:
        if entry.seq == number and entry.op is Op.APPROVAL:
            raise BadOption(
                f"run {run.id}: entry {number} is what people have decided: fork before it, and ask them again"
            )
        if entry.seq == number and _is_call(entry):
            return entry
    raise BadOption(f"run {run.id}: entry {number} is not the outcome of a call, so it cannot be another")


def _existing(run: Run, entries: Sequence[Entry], maps: dict[str, ItemIndex], at: int) -> int:
    if at and all(entry.seq != at for entry in entries) and all(at not in index.seqs for index in maps.values()):
        last = max([0, *(entry.seq for entry in entries), *(seq for index in maps.values() for seq in index.seqs)])
        raise BadOption(
            f"run {run.id} has no entry {at}: the last is {last}, and 0 forks it at its beginning"
            f"{' (a retry deleted some in between)' if 0 < at < last else ''}"
        )
    return at
