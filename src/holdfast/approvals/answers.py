"""Answers: what a person says to what was asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")  # a misspelled edit must not be none


class Approve(_Answer):
    """Approve it, as it is or with changes. The answer to a question is an approval with a ``value``.

    Attributes:
        edits: other arguments of the call, or fields of the value, by name; what is not named stays.
        value: another value (or the answer to a question) as a whole, as JSON; not for calls. ``None`` with
            ``has_value`` is the JSON value null.

    Example:
        >>> Approve(edits={"amount": 90}).edits
        {'amount': 90}
    """

    kind: Literal["approve"] = "approve"
    edits: dict[str, Any] | None = None
    value: Any = None

    @property
    def has_value(self) -> bool:
        """Whether a value was given, be it None."""
        return "value" in self.model_fields_set


class Reject(_Answer):
    """Refuse it, and say why."""

    kind: Literal["reject"] = "reject"
    reason: str = Field(min_length=1, max_length=10_000)


class Respond(_Answer):
    """Neither: say something to the agent, which goes on with that."""

    kind: Literal["respond"] = "respond"
    text: str = Field(min_length=1, max_length=100_000)


Answer = Annotated[Approve | Reject | Respond, Field(discriminator="kind")]
"""One of the three; in JSON their ``kind`` says which."""
