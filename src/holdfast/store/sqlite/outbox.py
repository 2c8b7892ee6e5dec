"""The outbox: what channels are to be told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import apsw

from holdfast.records.outbox import Message, NewMessage, Sent
from holdfast.store.sqlite.statements import OUTBOX
from holdfast.store.sqlite.transaction import Transaction
from holdfast.store.sqlite.values import Row


def tell_channels(tx: Transaction, event: str, about: Iterable[str], at: int) -> None:
    """Tell whatever channels there are of approvals."""
    told = [NewMessage(event=event, about=one, at=at, next_at=at) for one in about]
    if told and tx.value(OUTBOX.has_channel):
        add(tx, told)


def add(tx: Transaction, new: Iterable[NewMessage]) -> None:
    """Add messages."""
    tx.each(OUTBOX.add, [(one.event, one.about, one.channel, one.at, one.next_at, one.body) for one in new])
    tx.stirred = True


def take(tx: Transaction, now: int, hold: int, limit: int) -> list[Message]:
    """Take messages that are due."""
    due = [_message_of(row) for row in tx.rows(OUTBOX.due, {"now": now, "limit": limit})]
    tx.each(OUTBOX.hold, [(now + hold, message.n) for message in due])
    return [replace(message, next_at=now + hold, tries=message.tries + 1) for message in due]


def settle(tx: Transaction, sent: Sequence[Sent], new: Sequence[NewMessage]) -> None:
    """Say what became of messages, and add others."""
    tx.each(OUTBOX.drop, [(one.n,) for one in sent if one.done])
    later = [{"n": one.n, "next_at": one.next_at, "error": one.error} for one in sent if not one.done]
    tx.each(OUTBOX.put_off, later)
    add(tx, new)


def dead(db: apsw.Connection, after: int, limit: int) -> list[Message]:
    """Those that were given up."""
    return [_message_of(row) for row in db.execute(OUTBOX.dead, {"after": after, "limit": limit})]


def revive(tx: Transaction, n: int, now: int) -> bool:
    """Try a dead one again."""
    done = tx.row(OUTBOX.revive, {"n": n, "now": now}) is not None
    tx.stirred = tx.stirred or done
    return done


def next_at(db: apsw.Connection) -> int | None:
    """When there is something to send."""
    found: int | None = db.execute(OUTBOX.next).get
    return found


def _message_of(row: Row) -> Message:
    n, event, about, channel, body, at, next_at, tries, dead, error = row
    return Message(
        n=n, event=event, about=about, channel=channel, body=body, at=at, next_at=next_at, tries=tries,
        dead=bool(dead), error=error,
    )  # fmt: skip
