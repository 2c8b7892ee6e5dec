"""Showing: rows of the store as the cases, and the surroundings, that a person sees."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from holdfast import codec
from holdfast.approvals.case import Audited, Case, Fact, Hop, Person, Seen, SeenFile, Told, Vote
from holdfast.approvals.request import Decided, NextHop, Request
from holdfast.approvals.routing import addressed, spoken, starters
from holdfast.approvals.rulings import Open
from holdfast.clock import SECOND, to_datetime
from holdfast.records.approval import Approval, ApprovalState, AuditEntry
from holdfast.records.files import FileInfo, FileKind
from holdfast.records.journal import Entry, Kind, Op

_CUT = 4000  # characters of a value that are shown


def case_of(open: Open, who: Person) -> Case:
    """An approval as a person sees it."""
    row, request = open.row, open.request
    return Case(
        n=row.n, id=row.id, run_id=row.run_id, root=row.root, agent=row.agent, version=row.version, key=row.key,
        state=row.state, revision=row.revision, to=row.to, risk=row.risk, asked_at=to_datetime(row.created_at),
        due_at=None if open.due_at is None else to_datetime(open.due_at), kind=request.kind, action=request.action,
        original=request.original, schema=request.schema_, because=request.because, facts=request.facts,
        provided=tuple(Fact(what=one.what, value=one.value) for one in request.provided), requester=request.requester,
        started_by=row.started_by, digest=row.digest, quorum=request.quorum,
        votes=tuple(Vote(by=vote.by, at=to_datetime(vote.at), digest=vote.digest) for vote in request.votes),
        hops=tuple(Hop(at=to_datetime(h.at), by=h.by, before=h.before, to=h.to, why=h.why) for h in request.hops),
        then=_then(request), problem=request.problem, decision=_told(row), why_not=why_not(open, who),
        own=bool(own(open, who)),
    )  # fmt: skip


def why_not(open: Open, who: Person) -> str:
    """Why a person may not approve it; empty if they may."""
    row = open.row
    if row.state is not ApprovalState.PENDING:
        return f"it is {row.state}"
    if not addressed(who, row.to):
        return f"it is asked of {spoken(row.to)}"
    return own(open, who)


def own(open: Open, who: Person) -> str:
    """Four eyes: whether it is a person's own request, in words; empty if not. Questions anybody may answer."""
    if open.request.kind == "question":
        return ""
    if who.name == open.request.requester:
        return "it is asked on their behalf: another has to approve it (four eyes)"
    started = who.name in starters(open.row.started_by)
    return "they have started the run: another has to approve it (four eyes)" if started else ""


def _then(request: Request) -> tuple[str, ...]:
    if request.within is None and not request.hops:
        return ()
    words = {"expire": "it expires", "deny": "it is rejected", "approve": "approved if a standing approval covers it"}
    return tuple(
        f"goes to {spoken(step.to)} for {step.within / SECOND / 3600:g} h" if isinstance(step, NextHop) else words[step]
        for step in request.on_expire
    )


def _told(row: Approval) -> Told | None:
    if row.decision is None:
        return None
    decided: Decided = Decided.read(row.decision)
    return Told(
        state=decided.state, by=decided.by, at=to_datetime(decided.at), digest=decided.digest, edited=decided.edited,
        final=decided.final, reason=decided.reason, text=decided.text,
    )  # fmt: skip


def audited(entry: AuditEntry) -> Audited:
    """An entry of the audit trail."""
    detail = json.loads(codec.unpack(entry.detail)) if entry.detail else {}
    return Audited(at=to_datetime(entry.at), actor=entry.actor, action=entry.action, detail=detail)


def seen_files(files: list[FileInfo]) -> tuple[SeenFile, ...]:
    """The files of a workspace."""
    return tuple(SeenFile(path=file.path, size=file.size) for file in files if file.kind is FileKind.FILE)


async def seen_journal(entries: AsyncIterator[Entry], last: int) -> tuple[tuple[Seen, ...], int, tuple[str, ...]]:
    """The last outcomes of a journal, how many there are before them, and the keys of what has none yet."""
    recent: deque[tuple[Entry, Entry | None]] = deque(maxlen=last)
    begun: dict[str, Entry] = {}
    count = 0
    async for entry in entries:
        if entry.kind is Kind.INTENT and entry.op is not Op.RUN:
            begun[entry.key] = entry
        elif entry.kind in (Kind.OUTCOME, Kind.ATTEMPT, Kind.CANCEL):
            intent = begun.pop(entry.key, None) if entry.kind is Kind.OUTCOME else begun.get(entry.key)
            recent.append((entry, intent))
            count += 1
    return tuple(_seen(entry, intent) for entry, intent in recent), count - len(recent), tuple(begun)


def _seen(entry: Entry, intent: Entry | None) -> Seen:
    note = entry.note or (intent.note if intent is not None and intent.op is not Op.APPROVAL else b"")
    given, first = shown(note)
    found, second = shown(codec.pack(entry.value) if entry.kind is Kind.CANCEL else entry.value)  # it is bare
    kind = entry.op.name.lower() if entry.kind is Kind.OUTCOME else f"{entry.op.name.lower()} {entry.kind.name.lower()}"
    return Seen(
        seq=entry.seq, at=to_datetime(entry.at), kind=kind, key=entry.key, ok=entry.ok, input=given, output=found,
        cut=first or second,
    )  # fmt: skip


def shown(packed: bytes | None) -> tuple[Any, bool]:
    """A packed value to be shown: as JSON if it is short, else the beginning of its text; and whether it was cut."""
    if not packed:
        return None, False
    text = codec.unpack(packed).decode("utf-8", "replace")
    if len(text) > _CUT:
        return text[:_CUT] + "…", True
    try:
        return json.loads(text), False
    except ValueError:  # a preview of arguments
        return text, False
