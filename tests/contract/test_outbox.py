"""A message is sent at least once: it is taken, and comes again unless somebody says what became of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from holdfast.records.outbox import NewMessage, Sent
from holdfast.store.base import Store
from tests.contract.making import MINUTE, NOW


def message(about: str = "a1", **changes: Any) -> NewMessage:
    fields: dict[str, Any] = {"event": "approval.requested", "about": about, "at": NOW, "next_at": NOW}
    return NewMessage(**{**fields, **changes})


async def test_one_that_is_taken_is_nobody_elses_until_its_hold_is_over(store: Store) -> None:
    await store.settle_messages([], new=[message("a1", channel="hook", body=b"\x00b", at=NOW - 5)])
    assert await store.next_message() == NOW
    assert await store.take_messages(now=NOW - 1, hold=10, limit=9) == []
    (taken,) = await store.take_messages(now=NOW, hold=10, limit=9)
    assert (taken.event, taken.about, taken.channel, taken.body) == ("approval.requested", "a1", "hook", b"\x00b")
    assert (taken.at, taken.next_at, taken.tries, taken.dead, taken.error) == (NOW - 5, NOW + 10, 1, False, "")
    assert await store.next_message() == NOW + 10
    assert await store.take_messages(now=NOW + 9, hold=10, limit=9) == []
    assert await store.take_messages(now=NOW + 10, hold=5, limit=9) == [replace(taken, next_at=NOW + 15, tries=2)]


async def test_the_longest_due_come_first(store: Store) -> None:
    await store.settle_messages([], new=[message("c", next_at=NOW + 2), message("a"), message("b")])
    assert [one.about for one in await store.take_messages(now=NOW + 2, hold=9, limit=2)] == ["a", "b"]
    assert [one.about for one in await store.take_messages(now=NOW + 2, hold=9, limit=2)] == ["c"]


async def test_many_who_take_at_once_take_each_once(store: Store) -> None:
    await store.settle_messages([], new=[message(f"{n}") for n in range(60)])
    taken = await asyncio.gather(*(store.take_messages(now=NOW, hold=MINUTE, limit=10) for _ in range(8)))
    assert sorted(one.n for some in taken for one in some) == sorted({one.n for some in taken for one in some})
    rest = await store.take_messages(now=NOW, hold=MINUTE, limit=100)
    assert len(rest) + sum(map(len, taken)) == 60


async def test_what_became_of_them_is_settled_with_those_that_follow(store: Store) -> None:
    await store.settle_messages([], new=[message(one) for one in "abc"])
    a, b, c = await store.take_messages(now=NOW, hold=MINUTE, limit=9)
    await store.settle_messages(
        [Sent(n=a.n, done=True), Sent(n=b.n, next_at=NOW + 5, error="503"), Sent(n=c.n, error="410 gone\0")],
        new=[message("d", channel="hook")],
    )
    later = await store.take_messages(now=NOW + 5, hold=MINUTE, limit=9)
    assert [(one.about, one.tries, one.error) for one in later] == [("d", 1, ""), ("b", 2, "503")]
    (dead,) = await store.dead_messages()
    assert (dead.n, dead.dead, dead.error) == (c.n, True, "410 gone\0")
    assert await store.dead_messages(after=dead.n) == []


async def test_a_dead_one_is_revived_once_and_its_tries_begin_again(store: Store) -> None:
    await store.settle_messages([], new=[message()])
    (taken,) = await store.take_messages(now=NOW, hold=MINUTE, limit=9)
    assert not await store.revive_message(taken.n, now=NOW)
    await store.settle_messages([Sent(n=taken.n, error="no")])
    assert await store.next_message() is None
    assert await store.revive_message(taken.n, now=NOW + 7)
    assert not await store.revive_message(taken.n, now=NOW + 7) and not await store.revive_message(999, now=NOW)
    assert await store.next_message() == NOW + 7
    (again,) = await store.take_messages(now=NOW + 7, hold=MINUTE, limit=9)
    assert (again.n, again.tries) == (taken.n, 1)


async def test_a_number_is_not_used_twice(store: Store) -> None:
    await store.settle_messages([], new=[message("a")])
    (first,) = await store.take_messages(now=NOW, hold=MINUTE, limit=9)
    await store.settle_messages([Sent(n=first.n, done=True)])
    await store.settle_messages([], new=[message("b")])
    await store.settle_messages([Sent(n=first.n, done=True)])  # said twice
    assert [one.about for one in await store.take_messages(now=NOW, hold=MINUTE, limit=9)] == ["b"]
