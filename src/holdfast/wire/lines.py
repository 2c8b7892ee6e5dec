"""The lines of a journal file, and of journals in the API: records as JSON objects and back, exactly.

How bytes are written, :mod:`holdfast.wire.values` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdfast.clock import from_datetime
from holdfast.records.journal import Entry, Group, Item, Kind, Op
from holdfast.records.run import Origin, Parent, Run, Status
from holdfast.wire.values import (
    Line,
    hash_of,
    hex_of,
    iso,
    loosely,
    maybe_hash,
    micros_of,
    packed,
    put,
    put_packed,
    taken,
)

FORMAT = "holdfast-journal"
VERSION = 2

_BARE = (Kind.FIRED, Kind.CANCEL, Kind.MARK)  # their values are not packed, and are JSON with blanks


def line_of(record: Entry | Group | Item) -> Line:
    """The line of a record below the header."""
    match record:
        case Entry():
            return _entry_line(record)
        case Item():
            return _item_line(record)
        case Group():
            return _group_line(record)


def run_line(run: Run) -> Line:
    """What the header says of a run: all but what only a store that goes on with it needs."""
    line: Line = {
        "id": run.id,
        "agent": run.agent,
        "version": run.version,
        "key": run.key,
        "tags": list(run.tags),
        "status": str(run.status),
        "root": run.root,
        "parent": run.parent and {"run": run.parent.run_id, "key": run.parent.key, "detached": run.parent.detached},
        "origin": run.origin and _origin_line(run.origin),
        "priority": run.priority,
        "generation": run.generation,
        "epoch": run.epoch,
        "entries": run.entries,
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
        "deadline_at": iso(run.deadline_at),
        "cancel_at": iso(run.cancel_at),
        "cancel_reason": run.cancel_reason,
        "digest": run.digest.hex(),
    }
    for field, value in (("input", run.input), ("result", run.result), ("error", run.error)):
        put_packed(line, field, value)
    return line


def run_of(line: Mapping[str, Any]) -> Run:
    """The run of a header; it is in no store, so what only a store knows is empty."""
    parent, origin = line["parent"], line["origin"]
    return Run(
        rid=0, id=line["id"], agent=line["agent"], version=line["version"], key=line["key"],
        input=packed(line, "input"), digest=bytes.fromhex(line["digest"]), status=Status(line["status"]),
        priority=line["priority"], root=line["root"], parent=parent and _parent_of(parent),
        epoch=line["epoch"], worker=None, wakes=0, seen=0, wake_at=None, generation=line["generation"], lost=0,
        created_at=from_datetime(datetime.fromisoformat(line["created_at"])), started_at=micros_of(line["started_at"]),
        ended_at=micros_of(line["ended_at"]), deadline_at=micros_of(line["deadline_at"]),
        cancel_at=micros_of(line["cancel_at"]), cancel_reason=line["cancel_reason"],
        result=packed(line, "result") or None, error=packed(line, "error") or None, progress=None,
        entries=line["entries"], origin=origin and _origin_of(origin), tags=tuple(line["tags"]),
    )  # fmt: skip


def _origin_line(origin: Origin) -> Line:
    return {"run": origin.run_id, "seq": origin.seq, "seed": origin.seed, "keys": origin.keys}


def _origin_of(line: Line) -> Origin:
    return Origin(run_id=line["run"], seq=line["seq"], seed=line["seed"], keys=line["keys"])


def _parent_of(line: Line) -> Parent:
    return Parent(run_id=line["run"], key=line["key"], detached=line["detached"])


def _entry_line(entry: Entry) -> Line:
    line: Line = {
        "type": "entry",
        "seq": entry.seq,
        "kind": entry.kind.name.lower(),
        "op": entry.op.name.lower(),
        "key": entry.key,
        "at": iso(entry.at),
        "ok": entry.ok,
    }
    if entry.guarded:
        line["guarded"] = True
    if entry.branch is not None:
        line["branch"] = hex_of(entry.branch)
    if entry.fingerprint:
        line["fingerprint"] = entry.fingerprint.hex()
    if entry.kind in _BARE:
        put(line, "value", entry.value, loosely)
    else:
        put_packed(line, "value", entry.value)
    put_packed(line, "note", entry.note)
    return line


def entry_of(line: Line) -> Entry:
    """The entry of its line."""
    kind = Kind[line["kind"].upper()]
    return Entry(
        seq=line["seq"], kind=kind, op=Op[line["op"].upper()], key=line["key"],
        at=from_datetime(datetime.fromisoformat(line["at"])), ok=line["ok"], guarded=line.get("guarded", False),
        fingerprint=bytes.fromhex(line.get("fingerprint", "")),
        value=(taken(line, "value", loosely) or b"") if kind in _BARE else packed(line, "value"),
        note=packed(line, "note"), branch=maybe_hash(line.get("branch")),
    )  # fmt: skip


def _item_line(item: Item) -> Line:
    line: Line = {
        "type": "item",
        "seq": item.seq,
        "map": hex_of(item.map),
        "ord": item.ord,
        "branch": hex_of(item.branch),
        "at": iso(item.at),
        "ok": item.ok,
    }
    if item.within is not None:
        line["within"] = hex_of(item.within)
    put_packed(line, "value", item.value)
    return line


def item_of(line: Line) -> Item:
    """The item of its line."""
    return Item(
        map=hash_of(line["map"]), ord=line["ord"], branch=hash_of(line["branch"]), seq=line["seq"],
        at=from_datetime(datetime.fromisoformat(line["at"])), ok=line["ok"], value=packed(line, "value"),
        within=maybe_hash(line.get("within")),
    )  # fmt: skip


def _group_line(group: Group) -> Line:
    return {
        "type": "group",
        "key": group.key,
        "map": hex_of(group.map),
        "total": group.total,
        "limit": group.limit,
        "every": group.every,
        "first_failure": group.first_failure,
        "done": group.done,
    }


def group_of(line: Line) -> Group:
    """The group of its line."""
    return Group(
        map=hash_of(line["map"]), total=line["total"], limit=line["limit"], every=line["every"],
        first_failure=line["first_failure"], done=line["done"], key=line["key"],
    )  # fmt: skip
