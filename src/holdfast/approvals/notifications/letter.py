"""Letters: what is said, to programs as JSON and to people as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.news import DIGEST, News
from holdfast.approvals.notifications.planning import Delivery
from holdfast.approvals.request import Decided, Request
from holdfast.clock import to_datetime
from holdfast.records.approval import Approval

AT_MOST = 50  # approvals that one letter tells of; it says how many more there are
_IN_TEXT = 10
_LONG = 500  # characters of what others wrote
_BRACKETS = str.maketrans("<>", "\u2039\u203a")  # they look the same, and mean nothing
_MENTION = re.compile(r"@(everyone|here|channel|all)\b", re.IGNORECASE)


def as_json(channel: Channel, delivery: Delivery, links: Mapping[str, str]) -> dict[str, Any]:
    """A message as the Standard Webhooks specification shapes it: ``type``, ``timestamp``, ``data``.

    The type is the event, such as ``approval.requested``, and the data the approval; or ``approval.digest``, and
    the data has ``approvals``, the riskiest first, and ``more``, the number of those left out.
    """
    told = [_told(channel, delivery.approvals[one.about], one, links) for one in delivery.news[:AT_MOST]]
    envelope = {"type": delivery.message.event, "timestamp": iso(delivery.message.at)}
    if delivery.message.event != DIGEST:
        return envelope | {"data": told[0]}
    return envelope | {"data": {"approvals": told, "more": len(delivery.news) - len(told)}}


def as_text(channel: Channel, delivery: Delivery, links: Mapping[str, str]) -> tuple[str, str]:
    """The same for people: a title and a text."""
    shown, more = delivery.news[:_IN_TEXT], len(delivery.news) - _IN_TEXT
    parts = ["\n".join(_lines(channel, delivery.approvals[one.about], one, links)) for one in shown]
    if more > 0:
        parts.append(f"… and {more} more")
    return _title(delivery), "\n\n".join(parts)


def subject(request: Request) -> str:
    """What is to be decided, in a few words."""
    action = request.action
    if request.kind == "question":
        return _short(str(action.get("question", "")))
    if request.kind == "value":
        return f"a {action.get('type', 'value')}"
    word = next((word for word in ("tool", "agent", "step") if word in action), "call")
    return f"{word} {action.get(word, '')}"


def _title(delivery: Delivery) -> str:
    if len(delivery.news) > 1:
        asked = sum(one.topic == "asked" for one in delivery.news)
        ended = len(delivery.news) - asked
        parts = [f"{asked} to decide"] * bool(asked) + [f"{ended} over"] * bool(ended)
        return f"Approvals: {', '.join(parts)}, risk up to {delivery.risk}"
    (one,) = delivery.news
    approval = delivery.approvals[one.about]
    about = subject(Request.read(approval.body))
    ends = "to decide" if one.topic == "asked" else str(approval.state)
    return f"Approval {ends}: {_on_line(approval.agent)}, {_on_line(about)} (risk {approval.risk})"


def _lines(channel: Channel, approval: Approval, news: News, links: Mapping[str, str]) -> Iterator[str]:
    request: Request = Request.read(approval.body)
    yield f"[risk {approval.risk}] {_on_line(approval.agent)}: {_on_line(subject(request))}"
    if channel.details:
        yield _on_line(_short(json.dumps(request.action, ensure_ascii=False)))
    if request.because:
        yield f"because: {_on_line(_short(request.because))}"
    if news.topic == "ended":
        yield f"{approval.state}{_by(approval)}"
        return
    asked = ", ".join(approval.to) or "any reviewer"
    yield f"asked of {asked}" + (f", until {iso(approval.due_at)}" if approval.due_at is not None else "")
    yield links.get(approval.id) or f"holdfast inbox show {approval.id}"


def _told(channel: Channel, approval: Approval, news: News, links: Mapping[str, str]) -> dict[str, Any]:
    request: Request = Request.read(approval.body)
    told = {
        "event": news.event,
        "at": iso(news.at),
        "id": approval.id,
        "run_id": approval.run_id,
        "agent": approval.agent,
        "state": str(approval.state),
        "kind": request.kind,
        "about": subject(request),
        "because": _short(request.because),
        "risk": approval.risk,
        "to": list(approval.to),
        "due_at": iso(approval.due_at),
        "digest": approval.digest,
        "url": links.get(approval.id),
    }
    return told | ({"action": request.action, "facts": request.facts} if channel.details else {})


def _by(approval: Approval) -> str:
    names = ", ".join(Decided.read(approval.decision).by) if approval.decision else ""
    return f" by {names}" if names else ""


def iso(at: int | None) -> str | None:
    """A time as letters say it: ISO 8601, UTC, to the second."""
    return None if at is None else to_datetime(at).isoformat(timespec="seconds").replace("+00:00", "Z")


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _on_line(text: str) -> str:
    """Text of others on one line, without what could pass for lines of ours, or steer a terminal, or call a channel.

    Chat services take ``<!channel>``, ``<https://…|a name>`` and ``@everyone`` for more than text.
    """
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return _MENTION.sub(r"@ \1", line.translate(_BRACKETS))
