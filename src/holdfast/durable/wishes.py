"""How what a body asks for is written into a delta."""

from __future__ import annotations

from dataclasses import replace

from holdfast.durable import asks
from holdfast.durable.asks import Ask
from holdfast.durable.draft import Draft
from holdfast.durable.family import child_of, new_child
from holdfast.records.delta import NewPromise
from holdfast.records.journal import Group, Kind, Op
from holdfast.records.run import Run


def write(draft: Draft, run: Run, ask: Ask) -> None:
    """Add an ask that must be durable before the effects of its drain begin."""
    match ask:
        case asks.Effect():
            draft.intent(
                ask.call.target.op, ask.key, branch=ask.branch, fingerprint=ask.fingerprint, note=ask.note, guarded=True
            )
        case asks.Child():
            draft.child(ask, new_child(run, ask, draft.at))
        case asks.Approval():
            due_at = None if ask.due_in is None else draft.at + ask.due_in
            draft.ask_people(ask, replace(ask.asked, at=draft.at, due_at=due_at))
        case asks.Withdraw():
            draft.withdrawn.append(ask.id)
            draft.intent(Op.RUN, f"~withdraw:{ask.key}", branch=ask.branch)
        case asks.Declare():
            draft.promises.append(NewPromise(id=f"{run.id}/{ask.key}", key=ask.key, schema=ask.schema))
            draft.intent(Op.PROMISE, ask.key, branch=ask.branch)
        case asks.SetGroup():
            draft.groups.append(
                Group(
                    map=ask.map,
                    key=ask.key,
                    total=ask.total,
                    limit=ask.limit,
                    every=ask.every,
                    first_failure=ask.first_failure,
                )
            )
        case asks.Mark():
            draft.entry(Kind.MARK, Op.RUN, ask.key, branch=ask.branch, value=ask.value)
        case asks.CancelChild():
            draft.cancels.append(child_of(run, ask.key))
            draft.intent(Op.RUN, f"~cancel:{ask.key}", branch=ask.branch)
        case asks.CancelGroup():
            draft.cancel_groups.append(ask.map)
            draft.intent(Op.RUN, f"~cancel:{ask.key}", branch=ask.branch)
        case _:
            raise TypeError(f"{ask!r} is not written")
