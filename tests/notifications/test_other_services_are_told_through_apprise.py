"""Channels that are no webhooks: apprise sends to a real receiver, in its own shape."""

from __future__ import annotations

import asyncio
import logging
import sys
from urllib.parse import urlsplit

import pytest

from holdfast.errors import BadOption, UsageError
from holdfast.store.base import Store
from tests.notifications.office import office, request
from tests.notifications.receiver import Receiver, answers

PATIENT = "cto=60&rto=60"  # apprise gives up after 4 s, in which a busy machine may not get round to the receiver


def through_apprise(receiver: Receiver) -> str:
    return f"json://{urlsplit(receiver.url).netloc}/s3cret-path?{PATIENT}"


async def test_people_are_told_in_words(store: Store) -> None:
    async with Receiver([answers(200)]) as receiver, office(store) as at:
        await at.channel(through_apprise(receiver), digest=60, server="https://desk")
        await at.ask("a-1", risk=20, body=request(because="as\n[risk 99] it\x1b[2J \u202e<!here> @Everyone"))
        await at.ask("a-2", risk=70, to=("role:lead",), body=request(kind="question", action={"question": "How much?"}))
        await at.work()
        await at.work("1m")
        (got,) = receiver.got
        assert got.json["title"] == "Approvals: 2 to decide, risk up to 70"
        assert got.json["message"].splitlines() == [
            "[risk 70] adjust: How much?",
            "because: damage as assessed",
            "asked of role:lead",
            "https://desk/inbox/a-2",
            "",
            "[risk 20] adjust: tool pay",
            "because: as [risk 99] it [2J \u2039!here\u203a @ Everyone",
            "asked of any reviewer",
            "https://desk/inbox/a-1",
        ]


async def test_without_a_server_they_are_told_the_command(store: Store) -> None:
    async with Receiver([answers(200)]) as receiver, office(store) as at:
        await at.channel(through_apprise(receiver), events=("asked", "ended"), details=True)
        approval = await at.ask("a-1")
        await at.work()
        await at.decide(approval, by="bob")
        await at.work()
        first, second = receiver.got
        assert first.json["title"] == "Approval to decide: adjust, tool pay (risk 0)"
        assert "holdfast inbox show a-1" in first.json["message"]
        assert '"amount": 90' in first.json["message"]
        assert second.json["title"] == "Approval approved: adjust, tool pay (risk 0)"
        assert second.json["message"].endswith("approved by bob")


async def test_what_it_cannot_deliver_is_tried_again_and_it_tells_no_secret(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Receiver([answers(500), answers(200)]) as receiver, office(store) as at:
        await at.channel(through_apprise(receiver))
        await at.ask("a-1")
        await at.work()
        assert "apprise could not deliver it to json://" in caplog.text
        await at.work("10s")
        assert len(receiver.got) == 2
        assert await at.next_in() is None
    await asyncio.to_thread(lambda: None)
    assert "s3cret-path" not in caplog.text


@pytest.mark.parametrize(
    "url", ["nonsense://x", "hello", "", "http://", "https://user:pass@host/", "http://host:99999/"]
)
async def test_an_address_that_is_none_is_refused_without_showing_it(store: Store, url: str) -> None:
    async with office(store) as at:
        with pytest.raises(BadOption) as refused:
            await at.channel(url)
        assert "pass" not in str(refused.value).replace("password", "")


async def test_without_the_extra_it_says_which_to_install(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver([answers(200)]) as receiver, office(store) as at:
        await at.channel(through_apprise(receiver))
        monkeypatch.setitem(sys.modules, "apprise", None)
        with pytest.raises(UsageError, match=r"holdfast\[apprise\]"):
            await at.channel("mailto://host", "other")
        await at.ask("a-1")
        await at.work()
        monkeypatch.undo()
        await at.work("10s")
        assert len(receiver.got) == 1, "another worker, or a later one, has it"
