"""What is peculiar to this library: which errors of models may pass, and what a tool's metadata says."""

from __future__ import annotations

from typing import Any

from pydantic_ai.exceptions import (
    FallbackExceptionGroup,
    ModelAPIError,
    ModelHTTPError,
    ModelRequestRejectedError,
    UserError,
)

from holdfast.durable.calls import Options
from holdfast.integrations.stepoptions import checked

_PASSING = frozenset({408, 409, 425, 429})  # HTTP statuses below 500 that say: again later


class _PassingMeta(type):
    def __instancecheck__(cls, error: object) -> bool:
        return cls is Transient and isinstance(error, Exception) and _passes(error)


class Transient(Exception, metaclass=_PassingMeta):
    """Stands for the errors of a model that may pass: no connection, time out, HTTP 408, 409, 425, 429 and 5xx.

    It is never raised; write it in ``retry_on``.
    """


def _passes(error: Exception) -> bool:
    if isinstance(error, FallbackExceptionGroup):  # all models of a fallback failed
        return all(_passes(part) for part in error.exceptions)
    if isinstance(error, ModelHTTPError):
        return error.status_code >= 500 or error.status_code in _PASSING
    return isinstance(error, ModelAPIError) and not isinstance(error, ModelRequestRejectedError)


def of_tool(metadata: dict[str, Any] | None, tool: str, defaults: Options) -> Options:
    """The options that a tool's ``metadata={"holdfast": {…}}`` asks for.

    Raises:
        UserError: they are no options.
    """
    own = (metadata or {}).get("holdfast")
    if own is None:
        return defaults
    if not isinstance(own, dict):
        raise UserError(f"tool {tool!r}: metadata['holdfast'] is {own!r}; write StepOptions, a dict, there")
    return checked(own, f"tool {tool!r}, metadata['holdfast']", defaults)  # type: ignore[arg-type]  # checked there
