"""Answers of those who are notified."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What became of one try."""

    ok: bool
    error: str = ""
    gone: bool = False  # the receiver wants nothing any more
    not_before: int | None = None  # it said when it might
