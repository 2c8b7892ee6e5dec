"""Letters: what is said, to programs as JSON and to people as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from holdfast import codec
from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.news import DIGEST, News
from holdfast.approvals.notifications.planning import Delivery
from holdfast.clock import to_datetime
from holdfast.records.approval import Approval

Link = Callable[[Approval, str], str]
"""Where an approval is confirmed: of an approval and a person (empty: whoever logs in). Nothing changes by opening it."""

AT_MOST = 50  # approvals that one letter tells of; it says how many more there are
_IN_TEXT = 10
_LONG = 500  # characters of what others wrote


def as_json(channel: Channel, delivery: Delivery, link: Link | None) -> dict[str, Any]:
    """A message as the Standard Webhooks specification shapes it: ``type``, ``timestamp``, ``data``.

    The type is the event, such as ``approval.requested``, and the data the approval; or ``approval.digest``, and
    the data has ``approvals``, the riskiest first, and ``more``, the number of those left out.
    """
    told = [_told(channel, delivery.approvals[one.about], one, link) for one in delivery.news[:AT_MOST]]
    envelope = {"type": delivery.message.event, "timestamp": iso(delivery.message.at)}
    if delivery.message.event != DIGEST:
        return envelope | {"data": told[0]}
    return envelope | {"data": {"approvals": told, "more": len(delivery.news) - len(told)}}


def as_text(channel: Channel, delivery: Delivery, link: Link | None) -> tuple[str, str]:
    """The same for people: a title and a text."""
    shown, more = delivery.news[:_IN_TEXT], len(delivery.news) - _IN_TEXT
    parts = ["\n".join(_lines(channel, delivery.approvals[one.about], one, link)) for one in shown]
    if more > 0:
        parts.append(f"… and {more} more")
    return _title(delivery), "\n\n".join(parts)


def body_of(approval: Approval) -> dict[str, Any]:
    """What an approval is about; see ``holdfast.approvals.request``."""
    found: dict[str, Any] = json.loads(codec.unpack(approval.body))
    return found


def subject(approval: Approval) -> str:
    """What is to be decided, in a few words."""
    body = body_of(approval)
    action = body.get("action") or {}
    if body.get("kind") == "call":
        return f"call {action.get('tool', '?')}"
    return _short(action.get("question") or f"a {action.get('type', 'value')}")


def _title(delivery: Delivery) -> str:
    if len(delivery.news) > 1:
        asked = sum(one.topic == "asked" for one in delivery.news)
        ended = len(delivery.news) - asked
        parts = [f"{asked} to decide"] * bool(asked) + [f"{ended} over"] * bool(ended)
        return f"Approvals: {', '.join(parts)}, risk up to {delivery.risk}"
    (one,) = delivery.news
    approval = delivery.approvals[one.about]
    ends = "to decide" if one.topic == "asked" else str(approval.state)
    return f"Approval {ends}: {_on_line(approval.agent)}, {_on_line(subject(approval))} (risk {approval.risk})"


def _lines(channel: Channel, approval: Approval, news: News, link: Link | None) -> Iterator[str]:
    body = body_of(approval)
    yield f"[risk {approval.risk}] {_on_line(approval.agent)}: {_on_line(subject(approval))}"
    if channel.details:
        yield f"{_short(json.dumps(body.get('action'), ensure_ascii=False))}"
    if because := body.get("because"):
        yield f"because: {_on_line(_short(because))}"
    if news.topic == "ended":
        yield f"{approval.state}{_by(approval)}"
        return
    asked = ", ".join(approval.to) or "any reviewer"
    yield f"asked of {asked}" + (f", until {iso(approval.due_at)}" if approval.due_at is not None else "")
    yield link(approval, channel.person) if link is not None else f"holdfast inbox show {approval.id}"


def _told(channel: Channel, approval: Approval, news: News, link: Link | None) -> dict[str, Any]:
    body = body_of(approval)
    told = {
        "event": news.event,
        "at": iso(news.at),
        "id": approval.id,
        "run_id": approval.run_id,
        "agent": approval.agent,
        "state": str(approval.state),
        "kind": body.get("kind"),
        "about": subject(approval),
        "because": _short(body.get("because") or ""),
        "risk": approval.risk,
        "to": list(approval.to),
        "due_at": iso(approval.due_at),
        "digest": approval.digest,
        "url": link(approval, channel.person) if link is not None and news.topic == "asked" else None,
    }
    return told | ({"action": body.get("action"), "facts": body.get("facts") or {}} if channel.details else {})


def _by(approval: Approval) -> str:
    names: Sequence[str] = json.loads(codec.unpack(approval.decision)).get("by", ()) if approval.decision else ()
    return f" by {', '.join(names)}" if names else ""


def iso(at: int | None) -> str | None:
    """A time as letters say it: ISO 8601, UTC, to the second."""
    return None if at is None else to_datetime(at).isoformat(timespec="seconds").replace("+00:00", "Z")


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _on_line(text: str) -> str:
    """Text of others on one line, without what could pass for lines of ours, or steer a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
