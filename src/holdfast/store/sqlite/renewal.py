"""Beginning again under the same id: ``continue_as``."""

from __future__ import annotations

import json
from typing import Any

from holdfast.records.delta import Renew
from holdfast.records.journal import Op
from holdfast.store.sqlite import files, news
from holdfast.store.sqlite.statements import COMMITS, CONNECTION, NEWS, TRANSACTIONS
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.values import entry_row, keep

_OF_A_GENERATION = (Op.CHILD, Op.MAP, Op.APPROVAL)


def renew(tx: Transaction, rid: int, run_id: str, end: Renew) -> None:
    """Empty the run, keep what must last (unseen cancels and promises), and queue it."""
    now = tx.now()
    news.cancel_children(tx, rid, "its parent began again", now)  # nobody could await them any more
    news.withdraw_all(tx, [rid], now)
    for statement in (COMMITS.drop_journal, COMMITS.drop_items, COMMITS.drop_groups, COMMITS.drop_endings):
        tx.run(statement, (rid,))
    tx.run(TRANSACTIONS.forget, (json.dumps([rid]),))
    files.collapse(tx, rid)
    unseen = _file_again(tx, rid)
    span = {"first": f"{run_id}/", "last": f"{run_id}0"}  # "0" follows "/": all ids under this run
    carried = json.dumps([entry.key for entry in end.carry])
    tx.run(COMMITS.drop_promises, {**span, "rid": rid, "carried": carried, "promise": int(Op.PROMISE)})
    tx.run(CONNECTION.drop_blobs, {**span, "rid": rid})
    tx.run(
        COMMITS.renew,
        {
            "rid": rid, "agent": end.agent, "version": end.version, "digest": end.digest, "now": now,
            "input": keep(tx, rid, end.input), "entries": len(end.carry), "unseen": unseen,
        },
    )  # fmt: skip
    tx.each(COMMITS.add_entry, [entry_row(tx, rid, entry) for entry in end.carry])


def _file_again(tx: Transaction, rid: int) -> int:
    """Drop news of children and people, which goes with the generation that ends; number what stays up to ``wakes``.

    Between ``seen`` and ``wakes`` there must be no gaps: a run with a gap could never have seen everything.
    """
    lasting: list[Any] = [row for row in tx.rows(NEWS.take_lasting, (rid,)) if row[1] not in _OF_A_GENERATION]
    lasting.sort(key=lambda row: int(row[0]))
    first = int(tx.value(COMMITS.wakes, (rid,))) - len(lasting) + 1
    tx.each(NEWS.file, [(rid, wake, *rest) for wake, (_, *rest) in enumerate(lasting, first)])
    return len(lasting)
