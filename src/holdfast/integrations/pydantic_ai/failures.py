"""The library's own exceptions, carried from a step to the body as themselves.

What the library does about them (fallback models, retries, the caller's ``except``) depends on their class and fields.
Their constructors do not take what ``args`` holds, so they travel as what their ``__reduce__`` says, in JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic_ai import exceptions
from pydantic_core import to_jsonable_python

_ATTACHED = "_pydantic_ai_"  # what the library hangs on exceptions for its own use: live objects


class LibraryError(Exception):
    """Stands for an exception of the library in the journal.

    Args:
        said: its class and message, for whoever reads the journal.
        name: of its class in ``pydantic_ai.exceptions``.
        made_of: the arguments of its constructor.
        state: its fields.
    """

    def __init__(self, said: str, name: str, made_of: list[Any], state: dict[str, Any]) -> None:
        super().__init__(said, name, made_of, state)

    def __str__(self) -> str:
        return str(self.args[0])


@contextmanager
def carrying(retried: tuple[type[Exception], ...]) -> Iterator[None]:
    """In a step: an exception of the library leaves as a :class:`LibraryError`, or as a retried one."""
    try:
        yield
    except Exception as error:
        carried = _carried(error)
        if carried is None:
            raise
        raise (RetriedLibraryError if isinstance(error, retried) else LibraryError)(*carried) from error


class RetriedLibraryError(LibraryError):
    """One that the step's ``retry_on`` names."""


def original(error: LibraryError) -> Exception:
    """The exception that was carried; the carrier if it cannot be made again."""
    _, name, made_of, state = error.args
    cls = getattr(exceptions, name, None)
    try:
        made = cls(*made_of)  # type: ignore[misc]  # if it is none, that is an error like the others
        made.__setstate__(state)
    except Exception:  # constructors of another version of the library
        return error
    return made if isinstance(made, Exception) else error


def _carried(error: Exception) -> tuple[str, str, list[Any], dict[str, Any]] | None:
    name = next((name for name, value in vars(exceptions).items() if value is type(error)), None)
    if name is None:
        return None
    http = isinstance(error, exceptions.ModelHTTPError)  # those with a category reduce to a function of the library's
    reduced: Any = exceptions.ModelHTTPError.__reduce__(error) if http else error.__reduce__()  # type: ignore[arg-type]
    state = dict(reduced[2] or {}) if len(reduced) > 2 else {}
    kept = {key: value for key, value in state.items() if not key.startswith(_ATTACHED)}
    said = f"{type(error).__name__}: {error}"
    return said, name, to_jsonable_python(list(reduced[1]), fallback=str), to_jsonable_python(kept, fallback=str)
