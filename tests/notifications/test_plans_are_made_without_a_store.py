"""What to do with messages that are due, case by case: nothing but values in and out."""

from __future__ import annotations

from typing import Any

from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.news import News, packed
from holdfast.approvals.notifications.planning import Plan, plan
from holdfast.records.approval import Approval, ApprovalState
from holdfast.records.outbox import Message
from tests.contract.making import NOW
from tests.notifications.office import request


def approval(id: str, **changes: Any) -> Approval:
    fields: dict[str, Any] = {
        "n": int(id.partition("-")[2]), "id": id, "run_id": "r", "root": "r", "agent": "adjust", "version": "1",
        "key": "k", "state": ApprovalState.PENDING, "revision": 1, "to": (), "risk": 10, "due_at": None, "digest": "d",
        "body": request(), "created_at": NOW, "decided_at": None, "decision": None,
    }  # fmt: skip
    return Approval(**{**fields, **changes})


def message(n: int, *about: str, event: str = "approval.requested", tries: int = 1) -> Message:
    news = [News(event=event, about=one, at=NOW, to=(), due_at=None) for one in about]
    return Message(
        n=n, event=event, about=about[0], channel="hook", body=packed(news), at=NOW, next_at=NOW, tries=tries,
        dead=False, error="",
    )  # fmt: skip


def planned(messages: list[Message], *approvals: Approval, **channel: Any) -> Plan:
    made = Channel(id="hook", url="https://host/", **channel)
    return plan(made, messages, {one.id: one for one in approvals}, NOW)


def sent(made: Plan) -> dict[int, list[str]]:
    return {one.message.n: [news.about for news in one.news] for one in made.deliveries}


def test_of_several_messages_about_one_approval_the_last_is_sent() -> None:
    again = message(2, "a-1", event="approval.reassigned")
    made = planned([again, message(1, "a-1")], approval("a-1"))
    assert sent(made) == {2: ["a-1"]}
    assert [(one.n, one.done) for one in made.settled] == [(1, True)]


def test_what_was_tried_stays_as_it_is_and_is_not_gathered_with_what_is_new() -> None:
    messages = [message(1, "a-1", tries=2), message(2, "a-2"), message(3, "a-3")]
    made = planned(messages, *map(approval, ("a-1", "a-2", "a-3")), digest=60)
    assert sent(made) == {1: ["a-1"]}
    assert sorted(one.n for one in made.settled if one.done) == [2, 3]
    (gathered,) = made.new
    assert (gathered.event, gathered.next_at) == ("approval.digest", NOW)


def test_a_digest_that_was_gathered_is_sent_when_it_comes_again() -> None:
    made = planned([message(4, "a-2", "a-3")], approval("a-2", risk=5), approval("a-3", risk=9), digest=60)
    assert sent(made) == {4: ["a-3", "a-2"]}
    assert made.settled == made.new == []


def test_votes_are_not_told_not_even_when_it_is_over() -> None:
    voted = message(1, "a-1", event="approval.voted")
    for state in (ApprovalState.PENDING, ApprovalState.APPROVED):
        made = planned([voted], approval("a-1", state=state), events=("asked", "ended"))
        assert made.deliveries == []
        assert [one.done for one in made.settled] == [True]


def test_messages_to_a_channel_that_was_removed_are_dropped() -> None:
    made = plan(None, [message(1, "a-1")], {"a-1": approval("a-1")}, NOW)
    assert [one.done for one in made.settled] == [True]
