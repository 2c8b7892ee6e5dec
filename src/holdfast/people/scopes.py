"""What people and tokens may do: a few scopes, and the roles that bring them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from holdfast.errors import BadOption


class Scope(StrEnum):
    """What a request may do."""

    READ = "read"  # look at runs, their journals and files, workers
    START = "start"  # start runs
    OPERATE = "operate"  # cancel, pause, resume, retry, fork, move, tag, delete runs; resolve promises
    DECIDE = "decide"  # see what they are asked, and decide it
    ADMIN = "admin"  # people, tokens, channels; and everything else


_EVERYTHING = frozenset(Scope)
_OF_ROLE = {
    "admin": _EVERYTHING,
    "operator": frozenset({Scope.READ, Scope.START, Scope.OPERATE}),
    "starter": frozenset({Scope.READ, Scope.START}),
    "viewer": frozenset({Scope.READ}),
}
_OF_ANY_OTHER = frozenset({Scope.DECIDE})  # reviewers; and whatever roles approvals are addressed to


def scopes_of(roles: Iterable[str]) -> frozenset[Scope]:
    """What roles bring together. A role that is none of the house's is one that approvals are addressed to.

    Example:
        >>> sorted(scopes_of(["viewer", "adjuster"]))
        [<Scope.DECIDE: 'decide'>, <Scope.READ: 'read'>]
    """
    return frozenset[Scope]().union(*(_OF_ROLE.get(role, _OF_ANY_OTHER) for role in roles))


def scopes_named(names: Iterable[str]) -> frozenset[Scope]:
    """Scopes by their names.

    Raises:
        BadOption: there is no such scope.
    """
    given = list(names)
    if unknown := [name for name in given if name not in set(Scope)]:
        raise BadOption(f"{unknown[0]!r} is no scope: choose from {', '.join(Scope)}")
    return frozenset(map(Scope, given))
