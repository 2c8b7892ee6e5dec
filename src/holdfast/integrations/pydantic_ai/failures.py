"""The library's own exceptions, carried from a step to the body as themselves.

What the library does about them (fallback models, retries, the caller's ``except``) depends on their class and fields.
Their constructors do not take what ``args`` holds, so they travel as what their ``__reduce__`` says, in JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from pydantic_ai import exceptions
from pydantic_core import to_jsonable_python

from holdfast.errors import StepFailed

_ATTACHED = "_pydantic_ai_"  # what the library hangs on exceptions for its own use: live objects
_LONGEST = 4096  # characters of a text in it: a page of HTML would keep the exception from being recorded
_NAMES = {cls: name for name, cls in vars(exceptions).items() if isinstance(cls, type)}


class LibraryError(Exception):
    """Stands for an exception of the library in the journal.

    Args:
        said: its class and message, for whoever reads the journal.
        carried: what it is made of: the ``name`` of its class in ``pydantic_ai.exceptions``, the arguments of the
            constructor and the fields; of a group, its parts.
    """

    def __init__(self, said: str, carried: dict[str, Any]) -> None:
        super().__init__(said, carried)

    def __str__(self) -> str:
        return str(self.args[0])


class RetriedLibraryError(LibraryError):
    """One that the step's ``retry_on`` names."""


@contextmanager
def carrying(retried: tuple[type[Exception], ...]) -> Iterator[None]:
    """In a step: an exception of the library leaves as a :class:`LibraryError`, or as a retried one."""
    try:
        yield
    except Exception as error:
        if (name := _name_of(error)) is None:
            raise
        cls = RetriedLibraryError if isinstance(error, retried) else LibraryError
        raise cls(_short(f"{type(error).__name__}: {error}"), _carried(error, name)) from error


def reraise(error: LibraryError) -> NoReturn:
    """In the body: raise the exception that was carried, because of the step's failure.

    Raises:
        StepFailed: it cannot be made again, by another version of the library perhaps.
    """
    cause = error.__cause__
    failed = StepFailed("", message=str(error)) if not isinstance(cause, StepFailed) else cause
    type_name, _, message = str(error).partition(": ")
    told = StepFailed(failed.key, type_name, message, failed.traceback_text)  # in the words of the library, not ours
    told.seq = failed.seq
    made = _made(error.args[1], told.key)
    if made is None:
        raise told from None
    raise made from told


def _name_of(error: BaseException) -> str | None:
    """The nearest class of the library's that it is of, if any."""
    return next((_NAMES[cls] for cls in type(error).__mro__ if cls in _NAMES and _is_raised(cls)), None)


def _is_raised(cls: type) -> bool:
    return issubclass(cls, Exception) and cls.__module__ == exceptions.__name__


def _carried(error: BaseException, name: str | None) -> dict[str, Any]:
    if isinstance(error, BaseExceptionGroup):
        parts = [_carried(part, _name_of(part)) for part in error.exceptions]
        return {"name": name or "", "message": error.message, "parts": parts}
    if name is None:
        return {"type": type(error).__name__, "message": _short(str(error))}
    http = isinstance(error, exceptions.ModelHTTPError)  # those with a category reduce to a function of the library's
    reduced: Any = exceptions.ModelHTTPError.__reduce__(error) if http else error.__reduce__()  # type: ignore[arg-type]
    state = dict(reduced[2] or {}) if len(reduced) > 2 else {}
    kept = {key: value for key, value in state.items() if not key.startswith(_ATTACHED)}
    made_of, fields = to_jsonable_python([list(reduced[1]), kept], fallback=str)
    return {"name": name, "made_of": _short(made_of), "state": _short(fields)}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
    if isinstance(value, dict):
        return {key: _short(one) for key, one in value.items()}
    return [_short(one) for one in value] if isinstance(value, list) else value


def _made(carried: dict[str, Any], key: str) -> Exception | None:
    if "type" in carried:
        return StepFailed(key, carried["type"], carried["message"])
    cls: Any = getattr(exceptions, carried["name"], None) if carried["name"] else ExceptionGroup
    try:
        if "parts" in carried:
            return _exception(cls(carried["message"], [_made(part, key) for part in carried["parts"]]))
        made = cls(*carried["made_of"])
        if carried["state"]:
            made.__setstate__(carried["state"])
        return _exception(made)
    except Exception:  # constructors of another version of the library, or of a class derived from its own
        return None


def _exception(made: object) -> Exception | None:
    return made if isinstance(made, Exception) else None
