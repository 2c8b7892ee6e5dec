"""Persons: names and roles."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.errors import BadOption
from holdfast.people.scopes import Scope, scopes_of

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,98}[A-Za-z0-9])?")
_RESERVED = frozenset({"anonymous", "deadline", "role", "standing"})  # actors in the audit trail that are no persons


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody who may do something.

    Attributes:
        name: unique; what approvals are addressed to, and what the audit trail says.
        roles: words; see :mod:`holdfast.people.scopes`.
        created_at: microseconds.
    """

    name: str
    roles: frozenset[str]
    created_at: int = 0

    @property
    def scopes(self) -> frozenset[Scope]:
        """What their roles allow."""
        return scopes_of(self.roles)


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """A person, as far as what they came with lets them do things.

    Attributes:
        person: who asks.
        scopes: what they may do: what their roles allow, and their token too.
        via: how they proved it: ``token:…`` or ``session``.
        csrf: what forms of their session must hold; empty for tokens, which no browser sends by itself.
        session: the digest of their session, if it is one.
    """

    person: Person
    scopes: frozenset[Scope]
    via: str
    csrf: str = ""
    session: str = ""


def checked_name(name: str) -> str:
    """A name that can be told from other words wherever it is written.

    Raises:
        BadOption: it cannot.
    """
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise BadOption(f"{name[:120]!r} cannot name a person: 1 to 100 letters, digits and ._@+- between them")
    return name


def checked_roles(roles: Iterable[str]) -> frozenset[str]:
    """Roles that can be told from other words.

    Raises:
        BadOption: one cannot.
    """
    given = frozenset(roles)
    for role in given:
        if not _NAME.fullmatch(role):
            raise BadOption(f"{role[:120]!r} cannot be a role: 1 to 100 letters, digits and ._@+- between them")
    return given
