"""Routing: who is asked, who may see, and who may decide."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.approvals.case import ROLE, Person
from holdfast.errors import BadOption

ADMIN, REVIEWER = "admin", "reviewer"


def people(to: str | Sequence[str]) -> tuple[str, ...]:
    """Whom ``to=`` names, once each: names of people, and ``role:…``.

    Raises:
        BadOption: it names nobody.

    Example:
        >>> people("role:adjuster"), people(["ann", "bob", "ann"]), people("")
        (('role:adjuster',), ('ann', 'bob'), ())
    """
    named = ((to,) if to else ()) if isinstance(to, str) else tuple(to)
    for one in named:
        if not isinstance(one, str) or not one.strip() or one == ROLE or not one.isprintable() or len(one) > 200:
            raise BadOption(f"to={one!r}: write a person's name, such as 'ann', or a role, such as 'role:adjuster'")
    return tuple(dict.fromkeys(named))


def addressed(who: Person, to: Sequence[str]) -> bool:
    """Whether a person is among those who are asked."""
    if ADMIN in who.roles:
        return True
    if not to:
        return REVIEWER in who.roles
    return who.name in to or any(f"{ROLE}{role}" in to for role in who.roles)


def starters(said: str) -> tuple[str, ...]:
    """Who started a tree of runs, as the store has it: of a fork also who forked it."""
    return (said, *said.split(", "))


def groups_of(who: Person) -> tuple[str, ...] | None:
    """As whom this person is asked; None: they see all."""
    return None if ADMIN in who.roles else (who.name, *(f"{ROLE}{role}" for role in sorted(who.roles)))


def spoken(to: Sequence[str]) -> str:
    """Who is asked, in words."""
    return ", ".join(to) or "any reviewer"
