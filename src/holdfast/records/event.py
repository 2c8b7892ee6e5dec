"""Events of a run: what its steps say while they are at work. They are told and forgotten, never recorded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEvent:
    """Something that a step has said while it was at work.

    Attributes:
        run: the id of the run.
        step: the key of the step.
        attempt: which attempt of it, from 1: one that is repeated says everything again.
        number: of the event in its attempt, from 1; what is missing was lost.
        kind: what is told.
        data: what is told of it, JSON; None if it was too large to be told.
    """

    run: str
    step: str
    attempt: int
    number: int
    kind: str
    data: Any = None

    def pack(self) -> bytes:
        """As bytes for those who watch."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")

    @classmethod
    def unpack(cls, data: bytes) -> RunEvent | None:
        """The event that was packed; None if it is none."""
        try:
            return cls(**json.loads(data))
        except (ValueError, TypeError):
            return None
