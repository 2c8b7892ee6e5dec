"""Children: their ids, and the rows that start them."""

from __future__ import annotations

import hashlib

from holdfast import codec
from holdfast.durable.asks import Child
from holdfast.records.run import NewRun, Parent, Run


def child_id(root: str, run_id: str, generation: int, key: str) -> str:
    """The id of the child that a run starts under a key: the same at every replay."""
    digest = hashlib.blake2b(f"{run_id}/{generation}/{key}".encode(), digest_size=8).hexdigest()
    return f"{root}.{digest}"


def approval_id(activation: str, key: str) -> str:
    """The id of what people are asked under a key.

    Another activation that asks again, after a retry or a crash, gives another: what has been decided stays decided.
    """
    return hashlib.blake2b(f"{activation}/{key}".encode(), digest_size=10).hexdigest()


def child_of(run: Run, key: str) -> str:
    """The same, of a run's record."""
    return child_id(run.root, run.id, run.generation, key)


def new_child(run: Run, ask: Child, at: int) -> NewRun:
    """The row of a child."""
    item = ask.item
    parent = Parent(
        run_id=run.id,
        key=ask.key,
        detached=ask.detached,
        map=item.map if item else None,
        ord=item.ord if item else 0,
        branch=item.branch if item else 0,
        held=item is not None and item.ord >= ask.limit,
    )
    return NewRun(
        id=child_of(run, ask.key),
        agent=ask.call.target.name,
        version=ask.call.version,
        input=codec.pack(ask.arguments),
        digest=codec.fingerprint(ask.arguments),
        root=run.root,
        priority=run.priority,
        timeout=ask.call.options.timeout,
        parent=parent,
        at=at,
    )
