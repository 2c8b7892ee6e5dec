"""A store with a run that asks, channels, and a postman whose clock is moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.channels import Channels
from holdfast.approvals.notifications.postman import Postman
from holdfast.approvals.request import Decided, Request
from holdfast.clock import SECOND, VirtualClock, micros
from holdfast.records.approval import Approval, ApprovalState, Ruled
from holdfast.records.run import Run
from holdfast.store.base import Store
from tests.contract.desk import ask, asked, found, ruling
from tests.contract.making import NOW, Hand

SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


def request(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "kind": "call", "action": {"tool": "pay", "arguments": {"claim": "c-1", "amount": 90}},
        "schema": {"type": "object"}, "because": "damage as assessed", "facts": {"confidence": 0.9},
    }  # fmt: skip
    return Request(**{**fields, **changes}).pack()


@dataclass(kw_only=True, slots=True)
class Office:
    """See above."""

    store: Store
    clock: VirtualClock
    worker: Hand
    run: Run
    channels: Channels
    postman: Postman

    async def channel(self, url: str, id: str = "hook", **changes: Any) -> Channel:
        secret = {"secret": SECRET} if url.startswith("http") else {}
        return await self.channels.add(Channel(id=id, url=url, **{**secret, **changes}), by="ann")

    async def ask(self, id: str | None = None, *, body: bytes | None = None, **changes: Any) -> Approval:
        """The run asks; at the present time."""
        new = asked(id, body=request() if body is None else body, at=self.clock.now(), **changes)
        return (await ask(self.worker, self.run, new))[0]

    async def hand_on(self, approval: Approval, *to: str, within: str = "1d") -> Approval:
        """Its deadline passes: others are asked."""
        now = self.clock.now()
        change = ruling(
            await found(self.store, approval.id), ApprovalState.PENDING, by="deadline", to=to,
            due_at=now + micros(within), event="approval.escalated", at=now,
        )  # fmt: skip
        assert await self.store.rule([change]) == [Ruled.APPLIED]
        return await found(self.store, approval.id)

    async def decide(self, approval: Approval, by: str = "ann") -> None:
        now = self.clock.now()
        decision = Decided(state=ApprovalState.APPROVED, by=(by,), at=now, digest=approval.digest).pack()
        change = ruling(
            await found(self.store, approval.id), by=by, event="approval.decided", at=now, decision=decision
        )  # fmt: skip
        assert await self.store.rule([change]) == [Ruled.APPLIED]

    async def work(self, after: str = "0s") -> None:
        """Time passes; everything that has come due is dealt with."""
        self.clock.set(self.clock.now() + micros(after))
        while await self.postman.round():
            pass

    async def next_in(self) -> float | None:
        """Seconds until there is something to do."""
        at = await self.postman.due()
        return None if at is None else (at - self.clock.now()) / SECOND


@asynccontextmanager
async def office(store: Store, at: int = NOW, **of_postman: Any) -> AsyncIterator[Office]:
    """One on a store."""
    clock = VirtualClock(at)
    worker = await Hand.hire(store, "w1")
    async with Postman(store, clock, **of_postman) as postman:
        run = await worker.started()
        yield Office(
            store=store, clock=clock, worker=worker, run=run, channels=Channels(store, clock), postman=postman
        )  # fmt: skip
