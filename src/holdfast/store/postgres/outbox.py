"""The outbox: records as the statements take them, and rows to records."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.outbox import Message, NewMessage, Sent
from holdfast.store.postgres.columns import Columns, turned
from holdfast.store.postgres.text import read, stored
from holdfast.store.postgres.values import Row


def of_settling(sent: Sequence[Sent], new: Sequence[NewMessage]) -> Columns:
    """What the statement ``settle`` is given."""
    done = [one.n for one in sent if one.done]
    later = [(one.n, one.next_at, stored(one.error)) for one in sent if not one.done]
    rows = [
        (stored(one.event), stored(one.about), stored(one.channel), one.body, one.at, one.next_at) for one in new
    ]  # fmt: skip
    return (done, *turned(later, 3), *turned(rows, 6))


def message_of(row: Row) -> Message:
    """The message of a row."""
    n, event, about, channel, body, at, next_at, tries, dead, error = row
    return Message(
        n=n, event=read(event), about=read(about), channel=read(channel), body=body, at=at, next_at=next_at,
        tries=tries, dead=dead, error=read(error),
    )  # fmt: skip
