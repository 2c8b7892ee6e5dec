"""How the steps of an agent are carried out: what of a call's options makes sense there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

from holdfast.clock import Duration
from holdfast.durable.calls import Effect, Options
from holdfast.errors import BadOption


class StepOptions(TypedDict, total=False):
    """Options of the steps of an agent; each as in ``Call.using``.

    Attributes:
        timeout: of each attempt.
        retries: further attempts after a failure (default 0).
        backoff: wait before the first retry (default 1 s); doubles each time.
        retry_on: which exceptions are retried; of pydantic-ai's models by default those that may pass, else all.
        effect: ``"at_most_once"`` is never tried a second time, not even after a crash.

    Example:
        >>> careful: StepOptions = {"timeout": "90s", "retries": 4}
    """

    timeout: Duration
    retries: int
    backoff: Duration
    retry_on: Iterable[type[Exception]]
    effect: Effect


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
