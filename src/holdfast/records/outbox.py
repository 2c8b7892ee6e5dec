"""The outbox: what channels are to be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class NewMessage:
    """Something that a channel is to be told."""

    event: str
    about: str  # id of an approval
    channel: str = ""  # id of a channel; empty: not shared out to channels yet
    body: bytes = b""  # packed JSON
    at: int
    next_at: int  # not sent before


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A row of the outbox."""

    n: int
    event: str
    about: str
    channel: str
    body: bytes
    at: int
    next_at: int
    tries: int  # how often it was taken
    dead: bool  # given up; a person may revive it
    error: str  # of the last try


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What became of a message that was taken."""

    n: int
    done: bool = False  # it goes
    next_at: int | None = None  # otherwise when it is tried again; None: it is dead
    error: str = ""
