"""Digests, quiet hours, order and de-duplication: people hear of what matters, when they can hear of it, once."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.approvals.notifications import letter, planning, postman
from holdfast.approvals.notifications.quiet import Quiet
from holdfast.approvals.request import NextHop
from holdfast.clock import from_datetime, to_datetime
from holdfast.errors import BadOption
from holdfast.store.base import Store
from tests.notifications.office import office, request
from tests.notifications.receiver import Receiver, answers

NIGHT = Quiet.of("22:00-07:00 Europe/Lisbon")
EVENING = from_datetime(datetime(2027, 1, 14, 21, 0, tzinfo=UTC))  # and so it is in Lisbon


async def test_several_come_in_one_message_the_riskiest_first(store: Store) -> None:
    async with Receiver() as receiver, office(store, EVENING) as at:
        await at.channel(receiver.url, digest=900)
        for n, risk in enumerate((10, 70, 30)):
            await at.ask(f"a-{n}", risk=risk)
        await at.work()
        assert receiver.got == []
        assert await at.next_in() == 900
        await at.work("15m")
        (got,) = receiver.got
        assert got.json["type"] == "approval.digest"
        assert got.about == ["a-1", "a-2", "a-0"]
        assert got.json["data"]["more"] == 0
        assert await at.next_in() is None


async def test_a_digest_that_fails_is_sent_again_as_it_was(store: Store) -> None:
    async with Receiver([answers(500), answers(204)]) as receiver, office(store, EVENING) as at:
        await at.channel(receiver.url, digest=900)
        for n in range(2):
            await at.ask(f"a-{n}")
        await at.work()
        await at.work("15m")
        await at.ask("a-2")
        await at.work("10s")
        first, again = receiver.got
        assert (first.id, first.about) == (again.id, again.about)
        await at.work("15m")
        assert [got.about for got in receiver.got[2:]] == [["a-2"]]


async def test_a_thousand_are_few_messages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LARGEST", 40)
    monkeypatch.setattr(letter, "AT_MOST", 9)
    monkeypatch.setattr(postman, "_BATCH", 15)
    async with Receiver() as receiver, office(store, EVENING) as at:
        await at.channel(receiver.url, digest=900)
        for n in range(45):
            await at.ask(f"a-{n:03}", risk=n)
        await at.work()
        await at.work("15m")
        many = [len(got.about) + got.json["data"].get("more", 0) for got in receiver.got]
        assert sum(many) == 45
        assert len(many) <= 3
        for got in receiver.got:
            risks = [one["risk"] for one in got.json["data"]["approvals"]]
            assert risks == sorted(risks, reverse=True)
            assert len(risks) <= 9


async def test_quiet_hours_are_kept_and_what_is_urgent_breaks_through(store: Store) -> None:
    async with Receiver() as receiver, office(store, EVENING) as at:
        await at.channel(receiver.url, quiet=NIGHT, urgent=80)
        await at.ask("before", risk=10)
        await at.work()
        await at.work("2h")
        await at.ask("held", risk=79)
        await at.ask("urgent", risk=80)
        await at.work()
        assert [got.about for got in receiver.got] == [["before"], ["urgent"]]
        assert await at.next_in() == 8 * 3600
        await at.work("8h")
        assert [got.about for got in receiver.got] == [["before"], ["urgent"], ["held"]]


async def test_what_is_urgent_does_not_wait_for_a_digest(store: Store) -> None:
    async with Receiver() as receiver, office(store, EVENING) as at:
        await at.channel(receiver.url, digest=900, urgent=80)
        await at.ask("calm", risk=10)
        await at.ask("urgent", risk=90)
        await at.work()
        assert [got.about for got in receiver.got] == [["urgent"]]


async def test_a_retry_does_not_wake_anybody(store: Store) -> None:
    async with Receiver([answers(500), answers(204)]) as receiver, office(store, EVENING) as at:
        await at.channel(receiver.url, quiet=NIGHT)
        await at.work("59m")
        at.clock.set(EVENING + 3_599_000_000)
        await at.ask("a-1")
        await at.work()
        await at.work("10s")
        assert len(receiver.got) == 1
        await at.work("9h")
        assert len(receiver.got) == 2


async def test_what_was_decided_meanwhile_is_not_announced(store: Store) -> None:
    async with Receiver() as receiver, office(store, EVENING) as at:
        await at.channel(receiver.url, digest=900)
        first, second = await at.ask("a-1"), await at.ask("a-2")
        await at.decide(first)
        await at.work()
        await at.decide(second)
        await at.work("15m")
        assert receiver.got == []
        assert await at.next_in() is None


async def test_an_approval_handed_on_again_and_again_is_one_message(store: Store) -> None:
    async with Receiver() as receiver, office(store, EVENING) as at:
        await at.channel(receiver.url, quiet=NIGHT)
        at.clock.set(EVENING + 2 * 3_600_000_000)
        approval = await at.ask("a-1", to=("ann",))
        await at.work()
        for name in ("bob", "cid", "cid"):
            approval = await at.hand_on(approval, name)
            await at.work("1h")
        await at.work("6h")
        (got,) = receiver.got
        assert got.json["type"] == "approval.escalated"
        assert got.json["data"]["to"] == ["cid"]


async def test_who_is_not_asked_any_more_is_not_told(store: Store) -> None:
    async with Receiver() as ann, Receiver() as lead, office(store, EVENING) as at:
        await at.channel(ann.url, "ann", to=("ann",), digest=900)
        await at.channel(lead.url, "lead", to=("role:lead",), digest=900)
        approval = await at.ask("a-1", to=("ann",))
        await at.work()
        await at.hand_on(approval, "role:lead")
        await at.work()
        await at.work("15m")
        assert ann.got == []
        assert [got.about for got in lead.got] == [["a-1"]]


async def test_channels_are_told_what_is_theirs(store: Store) -> None:
    async with Receiver() as receiver, office(store, EVENING) as at:
        await at.channel(f"{receiver.url}/all", "all")
        await at.channel(f"{receiver.url}/ann", "ann", to=("ann", "role:adjuster"))
        await at.channel(f"{receiver.url}/any", "any", to=("role:reviewer",))
        await at.channel(f"{receiver.url}/risky", "risky", min_risk=50)
        await at.channel(f"{receiver.url}/ends", "ends", events=("ended",))
        await at.ask("adjusters", to=("role:adjuster", "role:lead"), risk=50)
        await at.ask("anybodys", risk=49)
        approval = await at.ask("bobs", to=("bob",))
        await at.work()
        await at.decide(approval, by="bob")
        await at.work()
        told = {(got.path.rpartition("/")[2], got.about[0]) for got in receiver.got}
        assert told == {
            ("all", "adjusters"), ("all", "anybodys"), ("all", "bobs"), ("ann", "adjusters"), ("any", "anybodys"),
            ("risky", "adjusters"), ("ends", "bobs"),
        }  # fmt: skip


async def test_nobody_is_told_before_standing_approvals_were_looked_at(store: Store) -> None:
    async with Receiver() as receiver, office(store, EVENING) as at:
        await at.channel(receiver.url)
        approval = await at.ask("a-1", body=request(routed=False, on_expire=(NextHop(to=("bob",), within=9), "deny")))
        await at.work()
        assert receiver.got == []
        await at.decide(approval, by="standing:s-1")
        await at.work("1s")
        assert receiver.got == []
        assert await at.next_in() is None


@given(
    at=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    begins=st.times(),
    ends=st.times(),
    zone=st.sampled_from(["Europe/Lisbon", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_quiet_hours_end_within_a_day_and_are_over_then(at: datetime, begins: time, ends: time, zone: str) -> None:
    if begins == ends:
        return
    quiet = Quiet(begins=begins, ends=ends, zone=zone)
    until = quiet.until(from_datetime(at))
    wall = at.astimezone(ZoneInfo(zone)).time()
    inside = begins <= wall < ends if begins < ends else wall >= begins or wall < ends
    assert (until is not None) == inside
    if until is not None:
        end = to_datetime(until)
        assert at < end <= at + timedelta(hours=26)
        assert quiet.until(until) is None or end.astimezone(ZoneInfo(zone)).time() != ends  # an hour that never was


def test_an_hour_that_a_wall_shows_twice_is_quiet_until_it_is_over_for_the_second_time() -> None:
    quiet = Quiet.of("22:00-01:30 Europe/Lisbon")  # whose clocks go back on 2026-10-25, from 02:00 to 01:00
    second = from_datetime(datetime(2026, 10, 25, 1, 15, tzinfo=UTC))
    assert quiet.until(second) == second + 15 * 60_000_000


@pytest.mark.parametrize(
    "text", ["22-7", "25:00-07:00 UTC", "22:00-22:00 UTC", "22:00-07:00", "22:00-07:00 Mars/Olympus", ""]
)
def test_quiet_hours_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(BadOption, match="quiet hours"):
        Quiet.of(text)
