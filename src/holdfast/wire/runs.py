"""Runs as the API shows them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.records.run import Activation, Origin, Parent, Population, Progress, Run, Status
from holdfast.wire.values import Line, iso, micros_of, packed, put_packed


def run_json(run: Run, *, values: bool = True) -> Line:
    """A run; without its input and result unless ``values``."""
    line: Line = {
        "id": run.id,
        "number": run.rid,
        "agent": run.agent,
        "version": run.version,
        "status": str(run.status),
        "key": run.key,
        "tags": list(run.tags),
        "priority": run.priority,
        "root": run.root,
        "parent": run.parent and _parent_json(run.parent),
        "origin": run.origin and _origin_json(run.origin),
        "progress": run.progress
        and {"done": run.progress.done, "total": run.progress.total, "message": run.progress.message},
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
        "wake_at": iso(run.wake_at),
        "deadline_at": iso(run.deadline_at),
        "cancel": None if run.cancel_at is None else {"at": iso(run.cancel_at), "reason": run.cancel_reason},
        "pause_at": iso(run.pause_at),
        "worker": run.worker,
        "epoch": run.epoch,
        "generation": run.generation,
        "entries": run.entries,
        "ended_by": run.ended_by,
        "lost": run.lost,
        "wakes": run.wakes,
        "seen": run.seen,
        "digest": run.digest.hex(),
    }
    put_packed(line, "error", run.error)
    if values:
        put_packed(line, "input", run.input)
        put_packed(line, "result", run.result)
    return line


def run_of(line: Mapping[str, Any]) -> Run:
    """The run that :func:`run_json` shows."""
    cancel = line["cancel"]
    return Run(
        rid=line["number"], id=line["id"], agent=line["agent"], version=line["version"], key=line["key"],
        input=packed(line, "input"), digest=bytes.fromhex(line["digest"]), status=Status(line["status"]),
        priority=line["priority"], root=line["root"], parent=line["parent"] and _parent_of(line["parent"]),
        epoch=line["epoch"], worker=line["worker"], wakes=line["wakes"], seen=line["seen"],
        wake_at=micros_of(line["wake_at"]), generation=line["generation"], lost=line["lost"],
        created_at=micros_of(str(line["created_at"])), started_at=micros_of(line["started_at"]),
        ended_at=micros_of(line["ended_at"]), deadline_at=micros_of(line["deadline_at"]),
        cancel_at=cancel and micros_of(cancel["at"]), cancel_reason=cancel["reason"] if cancel else "",
        result=packed(line, "result") or None, error=packed(line, "error") or None,
        progress=line["progress"] and Progress(**line["progress"]), entries=line["entries"],
        pause_at=micros_of(line["pause_at"]), ended_by=line["ended_by"],
        origin=line["origin"] and _origin_of(line["origin"]), tags=tuple(line["tags"]),
    )  # fmt: skip


def _parent_json(parent: Parent) -> Line:
    return {
        "run": parent.run_id,
        "key": parent.key,
        "detached": parent.detached,
        "map": parent.map,
        "ord": parent.ord,
        "branch": parent.branch,
        "held": parent.held,
    }


def _parent_of(line: Line) -> Parent:
    return Parent(run_id=line["run"], **{name: value for name, value in line.items() if name != "run"})


def _origin_json(origin: Origin) -> Line:
    return {"run": origin.run_id, "seq": origin.seq, "seed": origin.seed, "keys": origin.keys}


def _origin_of(line: Line) -> Origin:
    return Origin(run_id=line["run"], seq=line["seq"], seed=line["seed"], keys=line["keys"])


def activation_json(one: Activation) -> Line:
    """One stay of a run in memory."""
    return {"number": one.epoch, "worker": one.worker, "build": one.build, "at": iso(one.at), "trace": one.trace}


def activation_of(line: Line) -> Activation:
    """The stay that :func:`activation_json` shows."""
    return Activation(
        epoch=line["number"],
        worker=line["worker"],
        build=line["build"],
        at=micros_of(str(line["at"])),
        trace=line["trace"],
    )


def population_json(one: Population) -> Line:
    """How many runs of a version have a status."""
    return {"agent": one.agent, "version": one.version, "status": str(one.status), "count": one.count}


def population_of(line: Line) -> Population:
    """What :func:`population_json` shows."""
    return Population(agent=line["agent"], version=line["version"], status=Status(line["status"]), count=line["count"])
