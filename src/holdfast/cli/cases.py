"""What is asked of people, as JSON and as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from holdfast.approvals.case import Audited, Case, CaseContext, Outcome, Seen
from holdfast.approvals.request import SUBJECTS
from holdfast.approvals.routing import spoken
from holdfast.approvals.standing import Standing
from holdfast.cli.output import facts, say, table
from holdfast.console import harmless, on_line

HEADERS = ("APPROVAL", "STATUS", "RISK", "AGENT", "WHAT", "ASKED OF", "UNTIL")
DIGEST_SHOWN = 12
_WIDE = 80


def as_json(shown: BaseModel) -> Any:
    """A case, or what else the desk shows."""
    return shown.model_dump(mode="json", by_alias=True)


def outcome_json(one: Outcome) -> dict[str, Any]:
    """What became of one of many."""
    error = None if one.error is None else {"error": type(one.error).__name__, "message": str(one.error)}
    return {"id": one.id, "problem": error}


def row(case: Case) -> tuple[object, ...]:
    """A case in a list, for :data:`HEADERS`."""
    return case.id, case.state, case.risk, case.agent, what(case), spoken(case.to), _at(case.due_at)


def subject(case: Case) -> Any:
    """What can be edited: the arguments, the value, or the answer, which is None before it is given."""
    return case.action.get(SUBJECTS[case.kind])


def what(case: Case, wide: int = _WIDE) -> str:
    """What is to be decided, on one line."""
    if case.kind == "question":
        text = str(case.action.get("question"))
    elif case.kind == "value":
        text = f"{case.action.get('type')} {_compact(case.action.get('value'))}"
    else:
        arguments = subject(case)
        shown = ", ".join(f"{name}={_compact(value)}" for name, value in arguments.items())
        text = f"{_callee(case)}({shown})"
    line = on_line(text)
    return line if len(line) <= wide else f"{line[: wide - 1]}…"


def tell(case: Case) -> None:
    """A case for people."""
    facts(
        [
            ("approval", case.id),
            ("status", f"{case.state}{_votes(case)}"),
            ("digest", case.digest[:DIGEST_SHOWN]),
            ("run", f"{case.run_id} ({case.agent} {case.version})"),
            ("risk", case.risk),
            ("asked of", spoken(case.to)),
            ("asked at", _at(case.asked_at)),
            ("until", f"{_at(case.due_at)} {'; '.join(case.then)}".strip()),
            ("for", case.requester),
            ("started by", case.started_by),
            ("because", case.because),
            ("asked again", case.problem),
            ("not yours", case.why_not),
            *((name, _compact(value)) for name, value in case.facts.items()),
            *((f"was {fact.what}", _compact(fact.value)) for fact in case.provided),
            *(("handed on", _hop(hop.by, hop.before, hop.to, hop.at, hop.why)) for hop in case.hops),
            *_decision(case),
        ]
    )
    say("")
    for line in _action(case):
        say(harmless(line))


def tell_context(context: CaseContext) -> None:
    """What surrounds a case, for people."""
    tell(context.case)
    say("")
    facts(
        [("run is", context.status), ("its input", _compact(context.input)), ("waits for", ", ".join(context.waiting))]
    )
    if context.journal:
        say("")
        after = f", after {context.earlier} others" if context.earlier else ""
        say(f"the last {len(context.journal)} entries of its journal{after}:")
        table(("SEQ", "AT", "KIND", "KEY", "OK", "INPUT", "OUTPUT"), map(_entry, context.journal), indent="  ")
    if context.files:
        say("")
        table(("FILE", "BYTES"), [(file.path, file.size) for file in context.files], indent="  ")
    if context.pending:
        say("")
        say("its tree of runs also asks:")
        table(HEADERS, map(row, context.pending), indent="  ")


def tell_trail(entries: Iterable[Audited]) -> None:
    """Who did what, for people."""
    table(("AT", "WHO", "DID", "DETAIL"), [(_at(one.at), one.actor, one.action, _cut(one.detail)) for one in entries])


def standing_row(one: Standing) -> tuple[object, ...]:
    """A standing approval in a list."""
    limits = [f"{name}<={most}" for name, most in one.at_most.items()]
    limits += [f"sum of {name}<={one.spent.get(name, 0)} of {most}" for name, most in one.total.items()]
    limits += [f"{one.used} of {one.count} calls"] if one.count is not None else []
    per = "" if one.per is None else f" per {one.per} s"
    of = ", ".join((*one.agents, *one.to))
    return one.id, one.tool, of, f"{', '.join(limits) or 'any'}{per}", _at(one.expires_at), one.by, one.why


STANDING_HEADERS = ("STANDING", "TOOL", "OF", "LIMITS", "UNTIL", "BY", "WHY")


def _action(case: Case) -> Iterator[str]:
    if case.kind == "question":
        yield str(case.action.get("question"))
        return
    yield f"{_callee(case)}:" if case.kind == "call" else f"{case.action.get('type')}:"
    before = (case.original or {}).get(SUBJECTS[case.kind])
    now = subject(case)
    if not isinstance(now, dict):
        yield from _indented(now)
        return
    for name, value in now.items():
        changed = isinstance(before, dict) and before.get(name) != value
        was = f"   (was {_compact(before.get(name))})" if changed and isinstance(before, dict) else ""
        first, *rest = json.dumps(value, ensure_ascii=False, indent=2).splitlines()
        yield f"  {name}: {first}"
        yield from (f"    {line}" for line in rest)
        if was:
            yield f"  {was}"


def _indented(value: Any) -> Sequence[str]:
    return [f"  {line}" for line in json.dumps(value, ensure_ascii=False, indent=2).splitlines()]


def _callee(case: Case) -> str:
    return str(next((case.action[word] for word in ("tool", "agent", "step") if word in case.action), "call"))


def _decision(case: Case) -> Iterator[tuple[str, object]]:
    told = case.decision
    if told is not None:
        yield "decided", f"{_at(told.at)} by {', '.join(told.by) or 'nobody'}{', edited' if told.edited else ''}"
        yield "reason", told.reason
        yield "said", told.text


def _votes(case: Case) -> str:
    if case.quorum == 1:
        return ""
    return f", {len(case.votes)} of {case.quorum} approve: {', '.join(vote.by for vote in case.votes) or 'nobody yet'}"


def _hop(by: str, before: Sequence[str], to: Sequence[str], at: datetime, why: str) -> str:
    return f"from {spoken(before)} to {spoken(to)} by {by}, {_at(at)}" + (f": {why}" if why else "")


def _entry(one: Seen) -> tuple[object, ...]:
    return one.seq, _at(one.at), one.kind, one.key, "yes" if one.ok else "no", _cut(one.input), _cut(one.output)


def _cut(value: Any) -> str:
    text = _compact(value)
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 1]}…"


def _compact(value: Any) -> str:
    if value is None or value == {}:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _at(when: datetime | None) -> str:
    return "" if when is None else f"{when:%Y-%m-%d %H:%M:%SZ}"
