"""The answer to what a person decided or changed is lost: it was done once, and they are told that it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from holdfast import AlreadyDecided, App, Approve, Approved, Context, Person, Reject
from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.channels import Channels
from holdfast.clock import SystemClock
from holdfast.errors import CommitUnknown, WrongState
from holdfast.people.directory import People
from holdfast.records.approval import AuditEntry, Ruled
from holdfast.records.outbox import NewMessage, Sent
from holdfast.store import insisting
from holdfast.store.postgres import PostgresStore
from holdfast.testing import Rig
from tests.contract.desk import ask, asked, put, ruling
from tests.contract.making import NOW, Hand
from tests.contract.postgres.test_lost_answers import answered_by_nobody
from tests.contract.postgres.test_lost_connections import one_link, through_a_proxy, until
from tests.contract.stores import Place
from tests.postgres import schemas
from tests.postgres.proxy import Proxy

__all__ = ["one_link"]  # a fixture

ANN, BOB = (Person(name=name, roles=frozenset({"adjuster"})) for name in ("ann", "bob"))
HOOK = Channel(id="hook", url="https://hooks.example.com/x")  # type: ignore[arg-type]  # pydantic makes a secret of it


class House:
    """The directories of a store in which somebody and something is known already."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.people = People(store, SystemClock())
        self.channels = Channels(store, SystemClock())

    async def furnish(self) -> None:
        await self.people.add("old", ["viewer"], by="admin")
        _, self.token = await self.people.tokens.issue("old", ["read"], by="admin")
        self.link = await self.people.sessions.link("old", by="admin")
        await self.channels.add(HOOK, by="admin")
        message = NewMessage(event="approval.requested", about="a", channel="hook", at=NOW, next_at=NOW)
        await self.store.settle_messages([], new=[message])
        (taken,) = await self.store.take_messages(now=NOW, hold=1, limit=1)
        await self.store.settle_messages([Sent(n=taken.n, error="gone")])
        self.dead = taken.n
        assert not await self.store.revive_message(0, now=NOW)  # the connection knows the statement


@dataclass(frozen=True)
class Change:
    """What may be asked for, what is in the request that does it, and how the database shows that it was done."""

    ask: Callable[[House], Awaitable[Any]]
    sent: bytes
    shown: str


def audited(action: str) -> str:
    return f"SELECT EXISTS (SELECT FROM holdfast.audit WHERE action = '{action}' AND actor = 'ada')"


NOTE = AuditEntry(at=NOW, actor="ada", action="approval.shown", subject="a1")
CHANGES = {
    "add a person": Change(
        lambda h: h.people.add("new", ["viewer"], by="ada"), b"person.added", audited("person.added")
    ),
    "give a person roles": Change(
        lambda h: h.people.set_roles("old", ["starter"], by="ada"), b"person.roles", audited("person.roles")
    ),
    "remove a person": Change(lambda h: h.people.remove("old", by="ada"), b"person.removed", audited("person.removed")),
    "issue a token": Change(
        lambda h: h.people.tokens.issue("old", ["read"], by="ada"), b"token.issued", audited("token.issued")
    ),
    "revoke a token": Change(
        lambda h: h.people.tokens.revoke(h.token.id, by="ada"), b"token.revoked", audited("token.revoked")
    ),
    "use up a link": Change(
        lambda h: h.people.sessions.enter(h.link), b"session.begun",
        "SELECT EXISTS (SELECT FROM holdfast.audit WHERE action = 'session.begun')",
    ),
    "add a channel": Change(
        lambda h: h.channels.add(HOOK.model_copy(update={"id": "new"}), by="ada"), b"channel.added",
        audited("channel.added"),
    ),
    "remove a channel": Change(
        lambda h: h.channels.remove("hook", by="ada"), b"channel.removed", audited("channel.removed")
    ),
    "revive a message": Change(
        lambda h: h.store.revive_message(h.dead, now=NOW + 7), (NOW + 7).to_bytes(8, "big"),
        "SELECT NOT dead FROM holdfast.outbox",
    ),
    "note what was seen": Change(lambda h: h.store.audit([NOTE]), b"approval.shown", audited("approval.shown")),
    "put what is not audited": Change(
        lambda h: h.store.put([put("a-mark")]), b"a-mark",
        "SELECT EXISTS (SELECT FROM holdfast.documents WHERE id = 'a-mark')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("lost", ["answer", "request"])
async def test_a_change_counts_once_and_is_not_denied(place: Place, change: str, lost: str) -> None:
    wanted = CHANGES[change]
    async with through_a_proxy(place) as (proxy, store):
        house = House(store)
        await house.furnish()
        noted = len(await store.audited(limit=1000))
        if lost == "answer":
            answer = await answered_by_nobody(proxy, place, wanted.sent, lambda: wanted.ask(house), wanted.shown)
        else:
            proxy.lost_at = wanted.sent
            answer = await wanted.ask(house)
        assert answer is not False
        assert proxy.broken.is_set()
        assert (await asyncio.to_thread(schemas.ask, place.url, wanted.shown))[0][0]
        entries = (await store.audited(limit=1000))[noted:]
        assert len({(one.action, one.subject) for one in entries}) == len(entries), "something is audited twice"


async def test_what_is_used_up_once_is_not_credited_to_two(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        await store.put([put("login")])
        gone = put("login", None, revision=1)
        shown = "SELECT NOT EXISTS (SELECT FROM holdfast.documents)"
        assert not await answered_by_nobody(proxy, place, b"login", lambda: store.put([gone]), shown)


async def test_what_another_has_changed_meanwhile_is_still_denied(place: Place) -> None:
    async with through_a_proxy(place) as (proxy, store):
        house = House(store)
        await house.furnish()
        for change in (
            lambda: house.people.add("old", ["starter"], by="ada"),
            lambda: house.channels.add(HOOK, by="ada"),
        ):
            proxy.lost_at = b"ada"
            with pytest.raises(WrongState):
                await change()
            assert proxy.lost_at is None
        assert not await store.audited(actor="ada")


app = App[None]("till")


@app.tool
async def pay(claim: str, amount: float) -> str:
    return f"paid {amount:g} on {claim}"


@app.agent
async def settle(ctx: Context) -> str:
    decision = await ctx.approve(pay("c-1", 90.0), to="role:adjuster")
    return await decision.value if isinstance(decision, Approved) else type(decision).__name__


@pytest.mark.parametrize("lost", ["answer", "request"])
async def test_a_decision_whose_answer_was_lost_stands_and_the_second_is_told_who_and_when(
    place: Place, lost: str
) -> None:
    async with Proxy(place.url) as proxy, app.test(store=proxy.url) as t:
        run = await t.start(settle())
        (case,) = await seen(t)
        now = t.now()
        decided = "SELECT EXISTS (SELECT FROM holdfast.approvals WHERE state = 'approved')"

        async def approve() -> Any:
            return await t.inbox.decide(ANN, case.id, Approve(edits={"amount": 80.0}), digest=case.digest)

        if lost == "answer":
            after = await answered_by_nobody(proxy, place, b"approved", approve, decided)
        else:
            proxy.lost_at = b"approved"
            after = await approve()
        assert proxy.broken.is_set()
        assert after.decision.by == ("ann",)
        with pytest.raises(AlreadyDecided, match="ann") as told:
            await t.inbox.decide(BOB, case.id, Reject(reason="no"), digest=case.digest)
        assert (told.value.state, told.value.by, told.value.at) == ("approved", ("ann",), now)
        assert await run.result() == "paid 80 on c-1"
        rulings = [one for one in await t.store.audited(subject=case.id) if one.action == "approval.approved"]
        assert len(rulings) == 1


async def seen(t: Rig) -> list[Any]:
    await t.quiet()
    return await t.inbox.inbox(ANN)


async def test_while_the_server_stays_away_a_decision_is_neither_promised_nor_denied(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insisting, "FIND_OUT_S", 0.3)
    async with through_a_proxy(place) as (proxy, store):
        hand = await Hand.hire(store, "w1")
        (approval,) = await ask(hand, await hand.started(), asked("a1"))
        assert await store.rule([]) == []  # the connection knows the statement
        proxy.silent_from = b"a1"
        deciding = asyncio.ensure_future(store.rule([ruling(approval)]))
        await until(place, "SELECT state FROM holdfast.approvals", "approved")
        proxy.shut()
        proxy.answering.set()
        with pytest.raises(CommitUnknown, match=r"request to rule on approval a1 was lost.* look whether it was done"):
            await deciding
        await proxy.open_again()
        assert await store.rule([ruling(approval)]) == [Ruled.APPLIED], "the same ruling is known again"
        assert await store.rule([ruling(approval, by="bob")]) == [Ruled.CLOSED]
