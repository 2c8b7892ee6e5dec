"""The edge: where SQLite's errors become Holdfast's. Nothing above it knows apsw's."""

from __future__ import annotations

import apsw

from holdfast.errors import StoreBusy, StoreError, StoreRejected, StoreUnusable

_TRANSIENT = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.NoMemError,
    apsw.InterruptError,
    apsw.ProtocolError,  # a WAL that other processes kept changing while this one wanted to join
    apsw.CantOpenError,  # after the first opening succeeded: out of file descriptors, mostly
)
_POISON = (apsw.ConstraintError, apsw.TooBigError, apsw.MismatchError, apsw.RangeError)
# What apsw raises for values that no SQLite value can hold: a wide integer, a lone surrogate.
_UNBINDABLE = (OverflowError, UnicodeEncodeError)


def translated(error: Exception, url: str) -> StoreError:
    """The error of :mod:`holdfast.errors` that says the same."""
    if isinstance(error, apsw.FullError):
        return StoreBusy(f"{url}: no space left ({error}). Free some; nothing that was acknowledged is lost")
    if isinstance(error, _TRANSIENT):
        return StoreBusy(f"{url}: {type(error).__name__}: {error}. Nothing was written; try again")
    if isinstance(error, (*_POISON, *_UNBINDABLE)):
        return StoreRejected(f"{url}: cannot be stored: {type(error).__name__}: {error}")
    if isinstance(error, (apsw.NotADBError, apsw.CorruptError)):
        return StoreUnusable(f"{url} is damaged or no SQLite file ({error}). Restore it from a backup")
    if isinstance(error, (apsw.ReadOnlyError, apsw.PermissionsError, apsw.AuthError)):
        return StoreUnusable(f"{url} cannot be written ({error}). Check the permissions of the file and its directory")
    return StoreUnusable(f"{url}: {type(error).__name__}: {error}")


class edge:
    """Translate what SQLite raises inside. No generator: it is entered for every commit and every read."""

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (apsw.Error, *_UNBINDABLE)):
            raise translated(error, self._url) from error
