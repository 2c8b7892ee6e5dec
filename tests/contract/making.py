"""What the tests make: runs, entries, and workers with a hand in a store."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from holdfast.errors import StoreBusy
from holdfast.records.delta import Delta, End, Finish, Suspend, Verdict
from holdfast.records.journal import Entry, Group, Item, Kind, Op
from holdfast.records.run import NewRun, Parent, Run, Status
from holdfast.records.worker import Hosted, Quota
from holdfast.store.base import NO_QUOTAS, Claimed, Store
from holdfast.store.transactions import Work

MINUTE = 60_000_000
NOW = 1_800_000_000_000_000  # by the clock of timers; leases have the store's own
AGENT = Hosted(agent="adjust", version="1")
_numbers = itertools.count(1)


def new_run(id: str | None = None, **changes: Any) -> NewRun:
    id = id or f"run-{next(_numbers):09d}"
    fields: dict[str, Any] = {
        "id": id, "agent": "adjust", "version": "1", "input": b"{}", "digest": b"digest", "root": id, "at": NOW,
    }  # fmt: skip
    return NewRun(**{**fields, **changes})


def child_of(run: Run, id: str | None = None, *, key: str = "adjust#1", **changes: Any) -> NewRun:
    place = {name: changes.pop(name) for name in ("detached", "map", "ord", "branch", "held") if name in changes}
    return new_run(id, root=run.root, parent=Parent(run_id=run.id, key=key, **place), **changes)


def entry(seq: int = 1, **changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "seq": seq, "kind": Kind.OUTCOME, "op": Op.STEP, "key": f"extract#{seq}", "at": NOW, "value": b"1",
    }  # fmt: skip
    return Entry(**{**fields, **changes})


def item(ord: int, seq: int, **changes: Any) -> Item:
    fields: dict[str, Any] = {"map": 7, "ord": ord, "branch": 700 + ord, "seq": seq, "at": NOW, "value": b"v%d" % ord}
    return Item(**{**fields, **changes})


def group(**changes: Any) -> Group:
    fields: dict[str, Any] = {
        "map": 7, "total": None, "limit": 100, "every": False, "first_failure": False, "key": "map:adjust#1",
    }  # fmt: skip
    return Group(**{**fields, **changes})


def delta(run: Run, end: End | None = None, **changes: Any) -> Delta:
    return Delta(rid=run.rid, epoch=run.epoch, end=end, **changes)


def finish(status: Status = Status.SUCCEEDED, value: bytes = b"done") -> Finish:
    return Finish(status=status, value=value, at=NOW)


def work(run: Run, do: Callable[[Any], Any], **changes: Any) -> Work:
    fields: dict[str, Any] = {
        "rid": run.rid, "epoch": run.epoch, "key": f"{run.id}/book#1", "fingerprint": b"arguments", "do": do,
        "is_async": inspect.iscoroutinefunction(do), "limit": 30.0, "wanted": lambda: True,
    }  # fmt: skip
    return Work(**{**fields, **changes})


def end_lease(store: Store, worker_id: str) -> bool:
    """Let a worker's lease be over, as it is in time. Blocks until the store has heard of it.

    False if it was over before.
    """
    keeper, asked_before = store.keeper(worker_id, ttl=0), False
    while True:
        try:
            held = keeper.renew()
        except StoreBusy:  # it has a second to answer, which a busy server may not keep to; it may have done it
            asked_before = True
            continue
        keeper.close()
        return held or asked_before


class Hand:
    """A worker: registered, and counting its commits."""

    def __init__(self, store: Store, id: str) -> None:
        self.store = store
        self.id = id
        self.commits = 0

    @classmethod
    async def hire(cls, store: Store, id: str, *, ttl: int = MINUTE) -> Hand:
        await store.register(id, host="here", pid=1, hosts=[AGENT], ttl=ttl)
        return cls(store, id)

    async def claim(
        self, limit: int = 100, *, now: int = NOW, host: Hosted = AGENT, quotas: Mapping[str, Quota] = NO_QUOTAS
    ) -> list[Claimed]:
        return await self.store.claim(self.id, [host], ["build-1"], limit=limit, now=now, quotas=quotas)

    async def claim_one(self, *, now: int = NOW) -> Run:
        (claimed,) = await self.claim(1, now=now)
        return claimed.run

    async def started(self, **changes: Any) -> Run:
        """A run that this worker has just claimed."""
        await self.store.start([new_run(**changes)])
        return await self.claim_one()

    async def commit(self, *deltas: Delta) -> list[Verdict]:
        verdicts = await self.store.commit(self.id, self.commits + 1, deltas)
        self.commits += 1
        return verdicts

    async def suspend(self, run: Run, *, wake_at: int | None = None, seen: int | None = None) -> Verdict:
        now = await self.store.get(run.id)
        assert now is not None
        (verdict,) = await self.commit(delta(run, Suspend(wakes=now.wakes, wake_at=wake_at), seen=seen))
        return verdict

    def lose_lease(self) -> None:
        """Let the lease expire, without any waiting."""
        assert end_lease(self.store, self.id)


async def fresh(store: Store, run: Run) -> Run:
    """The run as it stands now."""
    found = await store.get(run.id)
    assert found is not None
    return found


async def status(store: Store, run: Run | str) -> Status:
    found = await store.get(run if isinstance(run, str) else run.id)
    assert found is not None
    return found.status
