"""Runs as work: who may be claimed, and by whom."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw

from holdfast import codec
from holdfast.errors import LeaseLost
from holdfast.records.worker import Hosted
from holdfast.store.sqlite.statements import CLAIMS, CONNECTION, LEASES
from holdfast.store.sqlite.transaction import Transaction

MAX_LOST = 3  # activations lost in a row: a run that kills its worker must not kill every worker
SUSPECT = MAX_LOST - 1  # one more, and it is blocked


def anything_to_do(db: apsw.Connection, worker_id: str, hosts: Sequence[Hosted], now: int) -> bool:
    """A look without any lock, so that idle workers do not stand in line all day.

    Raises:
        LeaseLost: the worker's lease has expired or is gone.
    """
    database_now = db.execute(CONNECTION.now).get
    if not db.execute(LEASES.live, (worker_id, database_now)).get:
        raise _lease_lost(worker_id)
    return (
        any(_due(db, hosted, now) for hosted in hosts)
        or db.execute(LEASES.expired, (database_now,)).get is not None
        or db.execute(CLAIMS.ownerless, {"now": database_now}).get is not None
    )


def _due(db: apsw.Connection, hosted: Hosted, now: int) -> bool:
    return bool(db.execute(CLAIMS.any_due, {"agent": hosted.agent, "version": hosted.version, "now": now}).get)


def _lease_lost(worker_id: str) -> LeaseLost:
    return LeaseLost(f"the lease of worker {worker_id} has expired or is gone: its runs may have other owners")


def claim(
    tx: Transaction, worker_id: str, hosts: Sequence[Hosted], builds: Sequence[str], limit: int, now: int,
    taken: list[int],
) -> None:  # fmt: skip
    """Become the owner of up to ``limit`` runs and append their row numbers to ``taken``, best first."""
    if not tx.value(LEASES.live, (worker_id, tx.now())):
        raise _lease_lost(worker_id)
    take_over(tx)
    wanted = dict(zip(hosts, builds, strict=True))
    for hosted in wanted:
        tx.run(CLAIMS.make_ready, {"agent": hosted.agent, "version": hosted.version, "now": now})
    chosen = _ready(tx, wanted, limit, least_lost=0, most_lost=SUSPECT - 1)
    # One suspect at a time: those that were only beside the culprit must not be lost, and blocked, with it.
    if len(chosen) < limit and not tx.value(CLAIMS.holds_suspect, (worker_id, SUSPECT)):
        chosen += _ready(tx, wanted, 1, least_lost=SUSPECT, most_lost=MAX_LOST)
    tx.each(CLAIMS.take, [{"worker": worker_id, "now": now, "rid": rid} for _, _, rid, _ in chosen])
    tx.each(CLAIMS.add_activation, [(rid, build, now) for _, _, rid, build in chosen])
    taken += [rid for _, _, rid, _ in chosen]


def _ready(
    tx: Transaction, wanted: Mapping[Hosted, str], limit: int, *, least_lost: int, most_lost: int
) -> list[tuple[int, int, int, str]]:
    """The best of the ready runs of the wanted versions, with the build that each is to run."""
    found: list[tuple[int, int, int, str]] = []
    for hosted, build in wanted.items():
        which = {"agent": hosted.agent, "version": hosted.version, "limit": limit}
        rows = tx.rows(CLAIMS.pick, {**which, "least_lost": least_lost, "most_lost": most_lost})
        found += [(*row, build) for row in rows]
    return heapq.nsmallest(limit, found)


def take_over(tx: Transaction) -> None:
    """Take the runs of dead workers: of all their agents, since the row that tells of their death goes."""
    now = tx.now()
    dead = {row[0] for row in tx.rows(LEASES.expired, (now,))}
    dead |= {row[0] for row in tx.rows(CLAIMS.ownerless, {"now": now})}
    for worker in sorted(dead):
        tx.run(LEASES.delete, (worker,))
        _block_deadly(tx, tx.rows(CLAIMS.lose, {"worker": worker, "now": now}), worker)
        tx.stirred = True


def _block_deadly(tx: Transaction, lost: Iterable[Any], worker: str) -> None:
    for rid, run_id, times in lost:
        if times >= MAX_LOST:
            why = (
                f"{times} activations of run {run_id} were lost in a row, the last on worker {worker}, without a new "
                "journal entry: it may be what kills its workers. Mend it, then resume the run"
            )
            tx.run(CLAIMS.block, (codec.pack_failure("WorkerLost", why), rid))


def block_unreadable(tx: Transaction, unreadable: Mapping[int, str]) -> None:
    """Stop runs whose rows cannot be read, until a person has looked at them."""
    for rid, error in unreadable.items():
        why = f"its journal cannot be read ({error}): it is damaged, or was written by a newer version"
        tx.run(CLAIMS.block, (codec.pack_failure("Unreadable", why), rid))


def give_up(tx: Transaction, unread: Sequence[tuple[str, Sequence[int]]]) -> None:
    """Queue runs again that were claimed while nobody was told (cancelled, unreadable, commit of unknown outcome).

    Done before the worker's next claim, so that it cannot take from it what it has claimed since.
    """
    tx.each(CLAIMS.untake, [(rid, worker) for worker, rids in unread for rid in rids])
    tx.stirred = True
