"""What is asked reaches the channels: signed, at least once, whatever the receiver does."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import pytest
import standardwebhooks

from holdfast.approvals.notifications import webhook
from holdfast.approvals.notifications.backoff import TRIES
from holdfast.approvals.notifications.postman import Postman
from holdfast.approvals.tokens import DecisionTokens
from holdfast.clock import SECOND
from holdfast.errors import NotFound, WrongState
from holdfast.store.base import Store
from tests.contract.making import NOW
from tests.notifications.office import SECRET, office, request
from tests.notifications.receiver import Receiver, answers, dies, hangs


async def test_a_request_is_told_once_signed_as_the_specification_says(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class At(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.fromtimestamp(NOW // SECOND, UTC)

    monkeypatch.setattr(standardwebhooks.webhooks, "datetime", At)
    async with (
        Receiver() as receiver,
        office(store) as at,
    ):
        await at.channel(receiver.url, to=("ann",), server="https://desk/")
        approval = await at.ask("a-1", to=("ann",), risk=40, due_at=NOW + 3600 * SECOND)
        await at.work()
        await at.work("1h")
        (got,) = receiver.got
        told = standardwebhooks.Webhook(SECRET).verify(got.body, got.headers)
        assert told["type"] == "approval.requested"
        page, _, token = told["data"].pop("url").partition("?token=")
        assert page == "https://desk/confirm/a-1"
        claims = await DecisionTokens(store, at.clock).read(token, "a-1")
        assert (claims.person, claims.run, claims.digest) == ("ann", at.run.id, approval.digest)
        assert told["data"] == {
            "event": "approval.requested", "at": "2027-01-15T08:00:00Z", "id": "a-1", "run_id": at.run.id,
            "agent": "adjust", "state": "pending", "kind": "call", "about": "tool pay", "because": "damage as assessed",
            "risk": 40, "to": ["ann"], "due_at": "2027-01-15T09:00:00Z", "digest": approval.digest,
        }  # fmt: skip
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(SECRET).verify(got.body + b" ", got.headers)
        assert await at.next_in() is None


async def test_links_for_several_lead_to_a_page_that_wants_a_log_in(store: Store) -> None:
    async with Receiver() as receiver, office(store) as at:
        await at.channel(receiver.url, "roles", to=("role:adjuster",), server="https://desk")
        await at.channel(receiver.url, "nowhere")
        await at.ask("a/1", to=("role:adjuster",))
        await at.work()
        assert {got.json["data"]["url"] for got in receiver.got} == {"https://desk/inbox/a%2F1", None}


async def test_arguments_are_told_only_to_channels_that_are_to_have_them(store: Store) -> None:
    async with Receiver() as receiver, office(store) as at:
        await at.channel(receiver.url, "with", details=True)
        await at.channel(receiver.url, "without")
        await at.ask()
        await at.work()
        told = sorted((got.json["data"] for got in receiver.got), key=len)
        assert "action" not in told[0]
        assert "90" not in str(told[0])
        assert told[1]["action"] == {"tool": "pay", "arguments": {"claim": "c-1", "amount": 90}}


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (answers(500), "it answered 500"),
        (answers(404), "it answered 404"),
        (answers(302, "location: http://169.254.169.254/"), "redirects are not followed"),
        (dies, "RemoteProtocolError"),
        (hangs, "no answer within"),
    ],
    ids=["500", "404", "redirect", "dies", "hangs"],
)
async def test_what_fails_is_tried_again_later_under_the_same_id(
    store: Store, behaviour: webhook.Answer, error: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    async with Receiver([behaviour]) as receiver, office(store) as at:
        monkeypatch.setattr(webhook, "TIMEOUT", 0.2 if behaviour is hangs else 15.0)
        await at.channel(receiver.url)
        await at.ask("a-1")
        await at.work()
        assert error in caplog.text
        first = await at.next_in()
        assert first is not None and 2.5 <= first <= 7.5
        await at.work("8s")
        second = await at.next_in()
        assert second is not None and 10 <= second <= 30
        receiver.behaviours = [answers(200)]
        monkeypatch.setattr(webhook, "TIMEOUT", 15.0)
        await at.work("30s")
        times = len(receiver.got) if behaviour is hangs else 3  # what was given up may not have arrived
        assert [got.about for got in receiver.got] == [["a-1"]] * times
        assert len({got.id for got in receiver.got}) == 1
        assert await at.next_in() is None


async def test_a_receiver_says_when_to_come_again(store: Store) -> None:
    async with Receiver([answers(503, "retry-after: 3600"), answers(204)]) as receiver, office(store) as at:
        await at.channel(receiver.url)
        await at.ask()
        await at.work()
        assert await at.next_in() == 3600


async def test_after_many_tries_it_is_dead_until_somebody_revives_it(store: Store) -> None:
    async with Receiver([answers(500)]) as receiver, office(store) as at:
        await at.channel(receiver.url)
        await at.ask("a-1")
        for _ in range(TRIES):
            await at.work("1d")
        assert len(receiver.got) == TRIES
        assert await at.next_in() is None
        (dead,) = await at.channels.dead()
        assert (dead.about, dead.error) == ("a-1", "it answered 500 Said")
        receiver.behaviours = [answers(200)]
        await at.channels.revive(dead.n, by="ann")
        await at.work()
        assert receiver.got[-1].about == ["a-1"]
        assert receiver.got[-1].id == receiver.got[0].id
        assert await at.channels.dead() == []
        with pytest.raises(NotFound, match="no message"):
            await at.channels.revive(dead.n, by="ann")


async def test_a_receiver_that_is_gone_is_told_nothing_more_until_its_message_is_revived(store: Store) -> None:
    async with Receiver([answers(410), answers(204)]) as receiver, office(store) as at:
        await at.channel(receiver.url)
        await at.ask("a-1")
        await at.work()
        assert (await at.channels.get("hook")).disabled == "the receiver answered 410 Gone"
        (audited,) = [entry for entry in await store.audited(subject="hook") if entry.action == "channel.disabled"]
        assert audited.actor == "channel:hook"
        await at.ask("a-2")
        await at.work("1d")
        assert [got.about for got in receiver.got] == [["a-1"]]
        (dead,) = await at.channels.dead()
        await at.channels.revive(dead.n, by="ann")
        await at.ask("a-3")
        await at.work()
        assert sorted(got.about[0] for got in receiver.got[1:]) == ["a-1", "a-3"]


async def test_what_was_behind_one_that_failed_keeps_all_its_tries(store: Store) -> None:
    async with Receiver([answers(500), answers(204)]) as receiver, office(store) as at:
        await at.channel(receiver.url)
        for n in range(5):
            await at.ask(f"a-{n}", risk=n)
        await at.work()
        assert [got.about for got in receiver.got] == [["a-4"]]
        await at.work("10s")
        assert [got.about[0] for got in receiver.got] == ["a-4", "a-4", "a-3", "a-2", "a-1", "a-0"]
        (alone,) = [entry for entry in await store.audited(subject="a-0") if entry.action == "approval.announced"]
        assert alone.actor == "channel:hook"


async def test_a_slow_receiver_does_not_keep_another_waiting(store: Store) -> None:
    async with Receiver([hangs]) as slow, Receiver() as quick, office(store) as at:
        await at.channel(slow.url, "slow")
        await at.channel(quick.url, "quick")
        await at.ask("a-1")
        working = asyncio.create_task(at.work())
        await asyncio.wait_for(quick.arrived.wait(), 60)
        await asyncio.wait_for(slow.arrived.wait(), 60)
        assert not working.done()
        slow.closing.set()
        await working


async def test_postmen_at_once_send_each_message_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver() as receiver, office(store) as at, Postman(store, at.clock) as other:
        await at.channel(receiver.url)
        for n in range(30):
            await at.ask(f"a-{n}")
        monkeypatch.setattr("holdfast.approvals.notifications.postman._BATCH", 4)
        await asyncio.gather(at.postman.round(), other.round(), at.postman.round(), other.round())
        await asyncio.gather(*(at.work() for _ in range(3)))
        assert sorted(got.about[0] for got in receiver.got) == sorted(f"a-{n}" for n in range(30))


async def test_what_is_taken_and_not_settled_comes_again(store: Store) -> None:
    """Its postman has died between the two; see also the test that kills one."""
    async with Receiver() as receiver, office(store) as at:
        await at.channel(receiver.url)
        await at.ask("a-1")
        await at.store.take_messages(now=at.clock.now(), hold=60 * SECOND, limit=10)
        await at.work()
        assert receiver.got == []
        await at.work("61s")
        assert [got.about for got in receiver.got] == [["a-1"]]


async def test_no_secret_reaches_a_log_or_a_row(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Receiver([answers(500), answers(204)]) as receiver, office(store) as at:
        channel = await at.channel(receiver.url)
        await at.ask("a-1")
        await at.work()
        await at.work("10s")
        assert len(receiver.got) == 2
        assert "500" in caplog.text
        shown = [repr(channel), str(channel), channel.address, caplog.text]
        shown += [str(entry) for entry in await store.audited(limit=1000)]
        for secret in ("s3cret-path", SECRET, SECRET.removeprefix("whsec_")):
            assert not [text for text in shown if secret in text]


async def test_an_approval_that_cannot_be_read_does_not_keep_others_waiting(store: Store) -> None:
    async with Receiver() as receiver, office(store) as at:
        await at.channel(receiver.url)
        await at.ask("odd", body=b"\x00{}", risk=1)
        await at.ask("a-1", risk=2)
        await at.work()
        assert [got.about for got in receiver.got] == [["a-1"]]
        assert await at.next_in() is not None


async def test_script_in_any_field_is_only_text(store: Store) -> None:
    nasty = "</script>\n\x1b[2J\u202e" + "x" * 5000
    async with Receiver() as receiver, office(store) as at:
        await at.channel(receiver.url)
        await at.ask(body=request(because=nasty))
        await at.work()
        (got,) = receiver.got
        assert got.json["data"]["because"] == nasty[:500] + "…"


async def test_channels_are_added_once_and_removed(store: Store) -> None:
    async with Receiver() as receiver, office(store) as at:
        made = await at.channel(receiver.url, secret="")
        assert made.secret.get_secret_value().startswith("whsec_")
        assert [channel.id for channel in await at.channels.all()] == ["hook"]
        with pytest.raises(WrongState, match="already"):
            await at.channel(receiver.url)
        await at.ask()
        await at.channels.remove("hook", by="ann")
        await at.work("1d")
        assert receiver.got == []
        assert await at.next_in() is None
        with pytest.raises(NotFound):
            await at.channels.remove("hook", by="ann")


async def test_a_test_message_says_what_came_of_it(store: Store) -> None:
    async with Receiver([answers(401), answers(200)]) as receiver, office(store) as at:
        channel = await at.channel(receiver.url)
        assert (await at.postman.test(channel)).error == "it answered 401 Said"
        assert (await at.postman.test(channel)).ok
        assert receiver.got[-1].json["type"] == "channel.test"
