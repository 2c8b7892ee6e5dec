"""Words: how pages say times, risks and what is asked."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from holdfast.approvals.case import Audited, Case
from holdfast.approvals.routing import spoken
from holdfast.console import harmless, on_line

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))
_SHORT, _FEW = 60, 4
_DID = {
    "approval.shown": "was shown it",
    "approval.opened": "opened a link to it",
    "approval.approved": "approved it",
    "approval.rejected": "rejected it",
    "approval.responded": "responded",
    "approval.refused": "was refused",
    "approval.reassigned": "handed it on",
    "approval.escalated": "passed it on",
    "approval.expired": "ended it",
    "approval.voted": "voted for it",
    "approval.requested": "asked",
    "approval.announced": "sent word of it",
    "approval.withdrawn": "withdrew it",
}


def title(case: Case) -> str:
    """What a case is about, in few words."""
    if case.kind == "question":
        return harmless(case.action.get("question", ""))
    name = case.action.get("tool") or case.action.get("agent") or case.action.get("step") or case.action.get("type")
    return harmless(name or case.kind)


def gist(case: Case) -> list[tuple[str, str]]:
    """The first of a case's arguments, each on a line."""
    held = case.action.get("arguments", case.action.get("value"))
    if not isinstance(held, dict):
        return [] if held is None else [("value", short(held))]
    return [(name, short(value)) for name, value in list(held.items())[:_FEW]]


def short(value: Any) -> str:
    """A value in few characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = on_line(text)
    return text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"


def left(due_at: datetime | None, now: datetime) -> str:
    """How long there is until a deadline."""
    if due_at is None:
        return "no deadline"
    seconds = int((due_at - now).total_seconds())
    return "deadline has passed" if seconds < 0 else f"{span(seconds)} left"


def ago(at: datetime, now: datetime) -> str:
    """How long something is past."""
    return f"{span(max(0, int((now - at).total_seconds())))} ago"


def span(seconds: int) -> str:
    """So many seconds, in the largest unit that fits."""
    for name, size in _UNITS:
        if seconds >= 2 * size or (seconds >= size and name == "min"):
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def exact(at: datetime) -> str:
    """A moment, for everybody the same."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def hazard(risk: int) -> str:
    """A risk in a word, which is also the class of what shows it."""
    return "high" if risk >= 70 else "medium" if risk >= 35 else "low"


def did(entry: Audited) -> str:
    """What somebody did, in words."""
    return _DID.get(entry.action, entry.action.removeprefix("approval.").removeprefix("approval "))


FILTERS = {
    "title": title, "gist": gist, "short": short, "left": left, "ago": ago, "exact": exact, "hazard": hazard,
    "did": did, "asked_of": spoken, "harmless": harmless,
}  # fmt: skip
