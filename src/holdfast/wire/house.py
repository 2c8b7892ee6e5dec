"""Workers, what there is to do, files of workspaces, and what was found wrong, as the API shows them, and back."""

from __future__ import annotations

from holdfast.records.files import Chunk, FileInfo, FileKind
from holdfast.records.health import Finding, Severity
from holdfast.records.worker import Demand, Hosted, Worker
from holdfast.wire.values import Line, iso, micros_of


def worker_json(one: Worker) -> Line:
    """A worker."""
    return {
        "id": one.id,
        "host": one.host,
        "pid": one.pid,
        "hosts": [{"agent": hosted.agent, "version": hosted.version} for hosted in one.hosts],
        "started_at": iso(one.started_at),
        "heartbeat_at": iso(one.renewed_at),
        "expires_at": iso(one.expires_at),
        "runs": one.runs,
    }


def worker_of(line: Line) -> Worker:
    """The worker that :func:`worker_json` shows."""
    return Worker(
        id=line["id"],
        host=line["host"],
        pid=line["pid"],
        hosts=tuple(Hosted(**hosted) for hosted in line["hosts"]),
        started_at=micros_of(str(line["started_at"])),
        expires_at=micros_of(str(line["expires_at"])),
        renewed_at=micros_of(str(line["heartbeat_at"])),
        runs=line["runs"],
    )


def demand_json(one: Demand) -> Line:
    """What there is to do."""
    return {
        "queued": one.queued,
        "due": one.due,
        "orphaned": one.orphaned,
        "at_work": one.at_work,
        "total": one.total,
    }


def demand_of(line: Line) -> Demand:
    """What :func:`demand_json` shows."""
    return Demand(queued=line["queued"], due=line["due"], orphaned=line["orphaned"], at_work=line["at_work"])


def file_json(file: FileInfo) -> Line:
    """A file, link or folder."""
    return {
        "path": file.path,
        "kind": str(file.kind),
        "mode": file.mode,
        "size": file.size,
        "seq": file.seq,
        "target": file.target,
        "chunks": [{"digest": chunk.digest.hex(), "size": chunk.size} for chunk in file.chunks],
    }


def file_of(line: Line) -> FileInfo:
    """The file that :func:`file_json` shows."""
    chunks = tuple(Chunk(digest=bytes.fromhex(chunk["digest"]), size=chunk["size"]) for chunk in line["chunks"])
    kept = {name: line[name] for name in ("path", "mode", "size", "seq", "target")}
    return FileInfo(kind=FileKind(line["kind"]), chunks=chunks, **kept)


def finding_json(one: Finding) -> dict[str, str]:
    """Something that was looked at, and how it is."""
    return {"severity": str(one.severity), "about": one.about, "what": one.what, "do": one.do}


def finding_of(line: Line) -> Finding:
    """The finding that :func:`finding_json` shows."""
    return Finding(severity=Severity(line["severity"]), about=line["about"], what=line["what"], do=line["do"])
