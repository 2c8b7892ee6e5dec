"""Runs as work: who may be claimed, and by whom."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import apsw

from holdfast import codec
from holdfast.errors import LeaseLost
from holdfast.records.worker import Demand, Hosted, Quota
from holdfast.store.demand import demand_of, hosted_of
from holdfast.store.sqlite.quotas import Room, note
from holdfast.store.sqlite.statements import CLAIMS, CONNECTION, LEASES, QUOTAS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.turns import Ready, in_turn

MAX_LOST = 3  # activations lost in a row: a run that kills its worker must not kill every worker
SUSPECT = MAX_LOST - 1  # one more, and it is blocked


def anything_to_do(
    db: apsw.Connection, worker_id: str, hosts: Sequence[Hosted], now: int, quotas: Mapping[str, Quota]
) -> bool:
    """A look without any lock, so that idle workers do not stand in line all day.

    Raises:
        LeaseLost: the worker's lease has expired or is gone.
    """
    database_now = db.execute(CONNECTION.now).get
    if not db.execute(LEASES.live, (worker_id, database_now)).get:
        raise _lease_lost(worker_id)
    room = Room(db, quotas, now)
    return (
        any(_due(db, hosted, now, room) for hosted in hosts)
        or db.execute(LEASES.expired, (database_now,)).get is not None
        or db.execute(CLAIMS.ownerless, {"now": database_now}).get is not None
    )


def _due(db: apsw.Connection, hosted: Hosted, now: int, room: Room) -> bool:
    which = (hosted.agent, hosted.version)
    ready = room.any_ready(hosted) if room.limits(hosted.agent) else db.execute(CLAIMS.any_ready, which).get
    return bool(ready or db.execute(CLAIMS.any_due, (*which, now)).get)


def _lease_lost(worker_id: str) -> LeaseLost:
    return LeaseLost(f"the lease of worker {worker_id} has expired or is gone: its runs may have other owners")


def claim(
    tx: Transaction, worker_id: str, hosts: Sequence[Hosted], builds: Sequence[str], limit: int, now: int,
    quotas: Mapping[str, Quota], taken: list[int],
) -> None:  # fmt: skip
    """Become the owner of up to ``limit`` runs and append their row numbers to ``taken``, best first."""
    if not tx.value(LEASES.live, (worker_id, tx.now())):
        raise _lease_lost(worker_id)
    take_over(tx)
    wanted = dict(zip(hosts, builds, strict=True))
    for hosted in wanted:
        tx.run(CLAIMS.make_ready, {"agent": hosted.agent, "version": hosted.version, "now": now})
    room = Room(tx.db, quotas, now)
    chosen = _choose(tx, worker_id, wanted, room, limit, (0, SUSPECT - 1))
    # One suspect at a time: those that were only beside the culprit must not be lost, and blocked, with it.
    if len(chosen) < limit and not tx.value(CLAIMS.holds_suspect, (worker_id, SUSPECT)):
        chosen += _choose(tx, worker_id, wanted, room, 1, (SUSPECT, MAX_LOST))
    tx.each(CLAIMS.take, [{"worker": worker_id, "now": now, "rid": one.rid} for one in chosen])
    tx.each(CLAIMS.add_activation, [(one.rid, one.build, now) for one in chosen])
    if quotas:
        note(tx, quotas, [one.agent for one in chosen if one.begins], now)
    taken += [one.rid for one in chosen]


def _choose(
    tx: Transaction, worker_id: str, wanted: Mapping[Hosted, str], room: Room, limit: int, lost: tuple[int, int]
) -> list[Ready]:
    """The runs whose turn it is, of those that were lost so often and for which there is room."""
    found: dict[str, list[Ready]] = {}
    for hosted, build in wanted.items():
        rows = _ready(tx, hosted, room, limit, lost)
        if rows:
            found.setdefault(hosted.agent, []).extend(Ready._make((*row, hosted.agent, build)) for row in rows)
    turns = in_turn(found, limit, lambda: dict(tx.rows(CLAIMS.held_by, (worker_id,))))
    admitted = (one for one in turns if room.take(one.agent, begins=bool(one.begins)))
    return list(islice(admitted, limit))


def _ready(tx: Transaction, hosted: Hosted, room: Room, limit: int, lost: tuple[int, int]) -> list[Any]:
    """The best of the ready runs of a version; of those that a quota holds back, none hides one that it does not."""
    which = {"agent": hosted.agent, "version": hosted.version, "least_lost": lost[0], "most_lost": lost[1]}
    if not room.limits(hosted.agent):
        return tx.rows(CLAIMS.pick, which | {"limit": limit})
    most = min(limit, max(0, room.places(hosted.agent)))
    to_begin = min(most, max(0, room.begins(hosted.agent)))
    go_on = tx.rows(QUOTAS.pick_to_go_on, which | {"limit": most})
    return go_on + tx.rows(QUOTAS.pick_to_begin, which | {"limit": to_begin})


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


def demand(
    db: apsw.Connection,
    agents: Sequence[str] | None,
    quotas: Mapping[str, Quota],
    now: int,
    hosts: Sequence[Hosted] | None,
) -> Demand:
    """What there is to do for workers of these agents and versions, or of all."""
    wanted = None if agents is None else json.dumps(list(agents))
    given = {"agents": wanted, "now": now, "database_now": db.execute(CONNECTION.now).get}
    found = hosted_of(db.execute(CLAIMS.demand, given), hosts)
    limited = dict.fromkeys(one.agent for one in found if one.agent in quotas)
    return demand_of(found, Room(db, quotas, now).left(list(limited)))
