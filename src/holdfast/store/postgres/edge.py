"""The edge: where PostgreSQL's errors, and the network's, become Holdfast's. Nothing above it knows asyncpg's."""

from __future__ import annotations

import asyncpg

from holdfast.errors import LeaseLost, StoreBusy, StoreError, StoreRejected, StoreUnusable

LEASE_LOST, REJECTED, LATE = "HF001", "HF002", "HF004"  # what our own routines raise
_OWN = {LEASE_LOST: LeaseLost, REJECTED: StoreRejected, LATE: StoreBusy}

# What passes: serialization and deadlock, locks, resources, shutdowns and fail-overs, timeouts, the disk.
_TRANSIENT = ("40", "53", "57", "58", "08", "25006", "25P03", "55P03", "25P02")
_POISON = ("22", "23", "54")
_LOGIN = ("28",)
_MISSING = ("3F", "42P01", "42883", "42703")

# What asyncpg raises for values that no column can hold: a wide integer, a lone surrogate.
UNBINDABLE = (asyncpg.DataError, OverflowError, UnicodeEncodeError)
NETWORK = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
ERRORS = (asyncpg.PostgresError, *UNBINDABLE, *NETWORK)

_ADVICE = {
    "40P01": "Two transactions waited for each other and this one gave way. Nothing was written; try again",
    "53100": "The server's disk is full. Free some; nothing that was acknowledged is lost",
    "53300": "Raise max_connections, or put a pooler in front of the server",
    "55P03": "Another transaction holds a row for long. Nothing was written; try again",
    "57014": "It took too long, or somebody cancelled it on the server. Nothing was written; try again",
    "25006": "The server takes no writes: it is a standby, or is being replaced by one. Try again",
}


def lost(error: BaseException) -> bool:
    """Whether the connection went with this error, so that nobody knows what became of what was being done."""
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        return code.startswith(("08", "57P")) or error.severity_en in ("FATAL", "PANIC")
    return isinstance(error, NETWORK) and not isinstance(error, UNBINDABLE)


def translated(error: BaseException, shown: str) -> StoreError:
    """The error of :mod:`holdfast.errors` that says the same."""
    if isinstance(error, UNBINDABLE):
        return StoreRejected(f"{shown}: cannot be stored: {type(error).__name__}: {error}")
    if isinstance(error, asyncpg.PostgresError):
        return _of_server(error, shown)
    return StoreBusy(f"{shown} cannot be reached ({_said(error)}). Nothing was written; try again")


def _of_server(error: asyncpg.PostgresError, shown: str) -> StoreError:
    code = error.sqlstate or ""
    said = f"{shown}: {_said(error)}"
    if code in _OWN:
        return _OWN[code](str(error))
    if code.startswith(_TRANSIENT):
        return StoreBusy(f"{said}. {_ADVICE.get(code, 'Nothing was written; try again')}")
    if code.startswith(_POISON):
        return StoreRejected(f"{shown}: cannot be stored: {_said(error)}")
    if code.startswith(_LOGIN):
        return StoreUnusable(f"{said}. Check user and password")
    if code.startswith("3D000"):
        return StoreUnusable(f"{said}. Make it first (createdb), or name another in the URL")
    if code.startswith("42501"):
        return StoreUnusable(f"{said}. Grant the role CREATE on the database, or USAGE and ALL on the schema's tables")
    if code.startswith(_MISSING):
        return StoreUnusable(f"{said}. Holdfast's tables are not there: have they been dropped? Open the store again")
    return StoreUnusable(said)


def unreachable(error: BaseException, shown: str) -> StoreUnusable:
    """The same for who opens a store: there is nothing yet that could be tried again."""
    if isinstance(error, asyncpg.PostgresError) and not (error.sqlstate or "").startswith(("08", "57P")):
        return StoreUnusable(str(translated(error, shown)))
    if isinstance(error, (asyncpg.ClientConfigurationError, ValueError)):
        return StoreUnusable(f"{shown} is no address of a PostgreSQL server: {error}")
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return StoreUnusable(f"{shown}: none of these servers takes writes ({error}). Promote one, or name the primary")
    return StoreUnusable(f"{shown} cannot be reached ({_said(error)}). Is a server running there, at this port?")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
