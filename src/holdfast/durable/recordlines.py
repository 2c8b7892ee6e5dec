"""The lines of a journal file: records as JSON objects and back, exactly.

Bytes that a record holds are written so that a person can read them and a diff is small: ``field`` holds them as JSON
if that comes back byte for byte, else ``field_text`` as text, else ``field_base64``. Compression and encryption are of
the store: they are undone here, and done again when a line is read.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from holdfast import codec
from holdfast.clock import from_datetime, to_datetime
from holdfast.records.journal import Entry, Group, Item, Kind, Op
from holdfast.records.run import Origin, Parent, Run, Status

FORMAT = "holdfast-journal"
VERSION = 2

Line = dict[str, Any]
Write = Callable[[Any], bytes]

_BARE = (Kind.FIRED, Kind.CANCEL, Kind.MARK)  # their values are not packed, and are JSON with blanks
_NESTED = 16  # a value lies deeper in its line than by itself: one that only just can be nested so deep is text


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
        "created_at": _time(run.created_at),
        "started_at": _time(run.started_at),
        "ended_at": _time(run.ended_at),
        "deadline_at": _time(run.deadline_at),
        "cancel_at": _time(run.cancel_at),
        "cancel_reason": run.cancel_reason,
        "digest": run.digest.hex(),
    }
    for field, packed in (("input", run.input), ("result", run.result), ("error", run.error)):
        _put_packed(line, field, packed)
    return line


def run_of(line: Mapping[str, Any]) -> Run:
    """The run of a header; it is in no store, so what only a store knows is empty."""
    parent, origin = line["parent"], line["origin"]
    return Run(
        rid=0, id=line["id"], agent=line["agent"], version=line["version"], key=line["key"],
        input=_packed(line, "input"), digest=bytes.fromhex(line["digest"]), status=Status(line["status"]),
        priority=line["priority"], root=line["root"], parent=parent and _parent_of(parent),
        epoch=line["epoch"], worker=None, wakes=0, seen=0, wake_at=None, generation=line["generation"], lost=0,
        created_at=from_datetime(datetime.fromisoformat(line["created_at"])), started_at=_micros(line["started_at"]),
        ended_at=_micros(line["ended_at"]), deadline_at=_micros(line["deadline_at"]),
        cancel_at=_micros(line["cancel_at"]), cancel_reason=line["cancel_reason"],
        result=_packed(line, "result") or None, error=_packed(line, "error") or None, progress=None,
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
        "at": _time(entry.at),
        "ok": entry.ok,
    }
    if entry.guarded:
        line["guarded"] = True
    if entry.branch is not None:
        line["branch"] = _hex(entry.branch)
    if entry.fingerprint:
        line["fingerprint"] = entry.fingerprint.hex()
    if entry.kind in _BARE:
        _put(line, "value", entry.value, _loosely)
    else:
        _put_packed(line, "value", entry.value)
    _put_packed(line, "note", entry.note)
    return line


def entry_of(line: Line) -> Entry:
    """The entry of its line."""
    kind = Kind[line["kind"].upper()]
    return Entry(
        seq=line["seq"], kind=kind, op=Op[line["op"].upper()], key=line["key"],
        at=from_datetime(datetime.fromisoformat(line["at"])), ok=line["ok"], guarded=line.get("guarded", False),
        fingerprint=bytes.fromhex(line.get("fingerprint", "")),
        value=(_taken(line, "value", _loosely) or b"") if kind in _BARE else _packed(line, "value"),
        note=_packed(line, "note"), branch=_hash(line.get("branch")),
    )  # fmt: skip


def _item_line(item: Item) -> Line:
    line: Line = {
        "type": "item",
        "seq": item.seq,
        "map": _hex(item.map),
        "ord": item.ord,
        "branch": _hex(item.branch),
        "at": _time(item.at),
        "ok": item.ok,
    }
    if item.within is not None:
        line["within"] = _hex(item.within)
    _put_packed(line, "value", item.value)
    return line


def item_of(line: Line) -> Item:
    """The item of its line."""
    return Item(
        map=hash_of(line["map"]), ord=line["ord"], branch=hash_of(line["branch"]), seq=line["seq"],
        at=from_datetime(datetime.fromisoformat(line["at"])), ok=line["ok"], value=_packed(line, "value"),
        within=_hash(line.get("within")),
    )  # fmt: skip


def _group_line(group: Group) -> Line:
    return {
        "type": "group",
        "key": group.key,
        "map": _hex(group.map),
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


# -- bytes


def _put_packed(line: Line, field: str, packed: bytes | None) -> None:
    if packed:
        _put(line, field, codec.unpack(packed))


def _tightly(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _loosely(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def _put(line: Line, field: str, data: bytes, write: Write = _tightly) -> None:
    try:
        line[field] = _exactly(data, write)
        return
    except (ValueError, RecursionError):  # no JSON, or not the one way of writing it
        pass
    try:
        line[f"{field}_text"] = data.decode()
    except UnicodeDecodeError:
        line[f"{field}_base64"] = base64.b64encode(data).decode()


def _exactly(data: bytes, write: Write) -> Any:
    """The JSON value of bytes that would be written as they are.

    Raises:
        ValueError, RecursionError: there is none.
    """
    nested = b"[" * _NESTED + data + b"]" * _NESTED
    if write(json.loads(nested)) != nested:
        raise ValueError("written in another way")
    return json.loads(data)


def _taken(line: Mapping[str, Any], field: str, write: Write = _tightly) -> bytes | None:
    """The bytes that :func:`_put` put; None if it put none."""
    if field in line:
        return write(line[field])
    if (text := line.get(f"{field}_text")) is not None:
        return bytes(text.encode())
    if (encoded := line.get(f"{field}_base64")) is not None:
        return base64.b64decode(encoded, validate=True)
    return None


def _packed(line: Mapping[str, Any], field: str) -> bytes:
    data = _taken(line, field)
    return b"" if data is None else codec.pack(data)


# -- times and hashes


def _time(at: int | None) -> str | None:
    return None if at is None else to_datetime(at).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _micros(text: str | None) -> int | None:
    return None if text is None else from_datetime(datetime.fromisoformat(text))


def _hex(number: int) -> str:
    return number.to_bytes(8, "big", signed=True).hex()


def hash_of(text: str) -> int:
    """A 64-bit hash that was written as hexadecimal digits.

    Raises:
        ValueError: it was not.
    """
    data = bytes.fromhex(text)
    if len(data) != 8:
        raise ValueError(f"{text!r} is no hash of 64 bits")
    return int.from_bytes(data, "big", signed=True)


def _hash(text: str | None) -> int | None:
    return None if text is None else hash_of(text)
