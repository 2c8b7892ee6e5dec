"""How the steps of an agent are carried out: what of a call's options makes sense there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, ModelRequestRejectedError, UserError

from holdfast.clock import Duration
from holdfast.durable.calls import Effect, Options
from holdfast.errors import BadOption

_PASSING = frozenset({408, 409, 425, 429})  # HTTP statuses below 500 that say: again later


class StepOptions(TypedDict, total=False):
    """Options of the steps of an agent; each as in ``Call.using``.

    Attributes:
        timeout: of each attempt.
        retries: further attempts after a failure (default 0).
        backoff: wait before the first retry (default 1 s); doubles each time.
        retry_on: which exceptions are retried; of models by default :class:`Transient` ones, of tools all.
        effect: ``"at_most_once"`` is never tried a second time, not even after a crash.

    Example:
        >>> careful: StepOptions = {"timeout": "90s", "retries": 4}
    """

    timeout: Duration
    retries: int
    backoff: Duration
    retry_on: Iterable[type[Exception]]
    effect: Effect


class _PassingMeta(type):
    def __instancecheck__(cls, error: object) -> bool:
        return cls is Transient and isinstance(error, Exception) and _passes(error)


class Transient(Exception, metaclass=_PassingMeta):
    """Stands for the errors of a model that may pass: no connection, time out, HTTP 408, 409, 425, 429 and 5xx.

    It is never raised; write it in ``retry_on``.
    """


def _passes(error: Exception) -> bool:
    if isinstance(error, ModelHTTPError):
        return error.status_code >= 500 or error.status_code in _PASSING
    return isinstance(error, ModelAPIError) and not isinstance(error, ModelRequestRejectedError)


def checked(options: StepOptions | None, where: str, defaults: Options) -> Options:
    """Options for a call.

    Raises:
        BadOption: one is unknown or makes no sense; ``where`` says whose they are.
    """
    given: dict[str, Any] = dict(options or {})
    unknown = sorted(given.keys() - StepOptions.__annotations__.keys())
    if unknown:
        known = ", ".join(StepOptions.__annotations__)
        raise BadOption(f"{where}: no option {unknown[0]!r}; there are {known}")
    try:
        return defaults.changed(**given)
    except (BadOption, TypeError) as error:
        raise BadOption(f"{where}: {error}") from error


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
