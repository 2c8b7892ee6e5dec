"""Deleting runs that have ended, with everything that belongs to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import apsw

from holdfast.records.repair import RetentionRule
from holdfast.store.sqlite import files
from holdfast.store.sqlite.statements import APPROVALS, PRUNING, TRANSACTIONS
from holdfast.store.sqlite.transaction import Transaction


def outlived(db: apsw.Connection, rule: RetentionRule, now: int, limit: int) -> list[str]:
    """Ids of runs that a rule no longer keeps."""
    found: dict[str, None] = {}
    agents = [rule.agent] if rule.agent is not None else [row[0] for row in db.execute(PRUNING.agents)]
    for agent in agents:
        for status in rule.statuses:
            for run_id in _of(db, rule, agent, status, now, limit):
                found[run_id] = None
    return list(found)[:limit]


def _of(db: apsw.Connection, rule: RetentionRule, agent: str, status: str, now: int, limit: int) -> Iterator[str]:
    which = {"agent": agent, "status": str(status), "limit": limit}
    if rule.age is not None:
        yield from (row[0] for row in db.execute(PRUNING.too_old, {**which, "before": now - rule.age}))
    if rule.count is not None:
        yield from (row[0] for row in db.execute(PRUNING.too_many, {**which, "count": rule.count}))


def delete(tx: Transaction, run_ids: Sequence[str]) -> int:
    """Delete whole trees of runs."""
    rids = sorted({row[0] for row in tx.rows(PRUNING.trees, {"ids": json.dumps(list(run_ids))})})
    if not rids:
        return 0
    tx.run(PRUNING.remember_rids)
    which = (json.dumps(rids),)
    for statement in (
        PRUNING.drop_journals, PRUNING.drop_items, PRUNING.drop_promises, PRUNING.drop_inboxes, PRUNING.drop_groups,
        PRUNING.drop_endings, PRUNING.drop_activations, PRUNING.drop_tags, PRUNING.drop_blobs, PRUNING.drop_runs,
        TRANSACTIONS.forget, APPROVALS.drop,
    ):  # fmt: skip
        tx.run(statement, which)
    files.forget(tx, rids)
    tx.rows(PRUNING.give_back)
    tx.stirred = True
    return len(rids)
