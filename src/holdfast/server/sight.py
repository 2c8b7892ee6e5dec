"""What people may see of what runs ask: what is addressed to them, to a role of theirs, or to nobody in particular."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request

from holdfast.approvals import case
from holdfast.people import Caller, Person, Scope
from holdfast.records.approval import Approval
from holdfast.server.access import bearer, caller_of, check
from holdfast.server.house import House, InHouse
from holdfast.server.shapes import RunId
from holdfast.store.desk import ApprovalFilter

ADMIN, REVIEWER = "admin", "reviewer"
_PAGE = 100


def at_desk(who: Caller) -> case.Person:
    """The caller, as the desk knows people."""
    return case.Person(name=who.person.name, roles=who.person.roles)


def addressed_to(person: Person) -> tuple[str, ...] | None:
    """As :class:`~holdfast.store.desk.ApprovalFilter` takes it; None: everything."""
    if ADMIN in person.roles:
        return None
    return (person.name, *(f"role:{role}" for role in sorted(person.roles)))


def sees(person: Person, approval: Approval) -> bool:
    """Whether an approval is for a person to see."""
    names = addressed_to(person)
    if names is None:
        return True
    return bool(set(names) & set(approval.to)) if approval.to else REVIEWER in person.roles


async def reader_of(house: InHouse, request: Request, run_id: RunId, _: Annotated[object, Depends(bearer)]) -> Caller:
    """A dependency: a caller who may read this run, because they read all of them, or because it asks them something.

    Raises:
        ScopeMissing: they do not.
    """
    caller = await caller_of(house, request)
    if Scope.READ in caller.scopes or (Scope.DECIDE in caller.scopes and await _asked_by(house, caller.person, run_id)):
        return caller
    check(caller, Scope.READ)
    return caller


async def _asked_by(house: House, person: Person, run_id: str) -> bool:
    which = ApprovalFilter(states=(), run_id=run_id, to=addressed_to(person), limit=_PAGE)
    while page := await house.store.approvals(which):  # among what is asked of nobody in particular
        if any(sees(person, one) for one in page):
            return True
        which = replace(which, after=(page[-1].risk, page[-1].n))
    return False


ReaderOf = Annotated[Caller, Depends(reader_of)]
