"""Transcripts: what was said until a person was asked, each message recorded once per run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter

from holdfast.durable.scope import Scope

Refs = list[Any]
"""A message whole, or ``[first, last]``: places of messages that were recorded before, from 0."""


class Transcript:
    """The messages that the asks of a scope have recorded so far."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[int, ModelMessage]] = {}  # by identity; kept, so that no other comes to have it

    def refer(self, messages: Sequence[ModelMessage]) -> Refs:
        """What to record of these, and take note of it."""
        refs: Refs = []
        for message in messages:
            known = self._places.get(id(message))
            if known is None:
                self._places[id(message)] = (len(self._places), message)
                refs += ModelMessagesTypeAdapter.dump_python([message], mode="json")
            elif refs and isinstance(refs[-1], list) and refs[-1][1] == known[0] - 1:
                refs[-1][1] = known[0]
            else:
                refs.append([known[0], known[0]])
        return refs


_transcripts: WeakKeyDictionary[Scope, Transcript] = WeakKeyDictionary()


def of(scope: Scope) -> Transcript:
    """The transcript of a scope."""
    return _transcripts.setdefault(scope, Transcript())


def restored(refs: Refs, said: list[Any]) -> list[ModelMessage]:
    """The messages that an ask has recorded.

    Args:
        refs: what it has recorded.
        said: what the asks before it have recorded whole; this one's are added.
    """
    messages: list[Any] = []
    for ref in refs:
        if isinstance(ref, list):
            messages += said[ref[0] : ref[1] + 1]
        else:
            said.append(ref)
            messages.append(ref)
    return ModelMessagesTypeAdapter.validate_python(messages)
