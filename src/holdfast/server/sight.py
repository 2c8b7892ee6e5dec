"""What people may see of what runs ask: what is addressed to them, to a role of theirs, or to nobody in particular."""

from __future__ import annotations

from holdfast.approvals import case
from holdfast.people import Caller, Person
from holdfast.records.approval import Approval

ADMIN, REVIEWER = "admin", "reviewer"


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
