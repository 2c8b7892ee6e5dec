"""People: who they are, what they may do, and how they prove it: API tokens, sessions of browsers, one-time links."""

from __future__ import annotations

from holdfast.people.directory import People
from holdfast.people.keys import SigningKey, SigningKeys
from holdfast.people.messages import Message, Sender
from holdfast.people.person import Caller, Person
from holdfast.people.scopes import Scope, scopes_of
from holdfast.people.secret import digest_of
from holdfast.people.sessions import Session, Sessions
from holdfast.people.tokens import Token, Tokens

__all__ = [
    "Caller",
    "Message",
    "People",
    "Person",
    "Scope",
    "Sender",
    "Session",
    "Sessions",
    "SigningKey",
    "SigningKeys",
    "Token",
    "Tokens",
    "digest_of",
    "scopes_of",
]
