"""Runs in one SQLite file: the embedded default, and the only place where SQLite is known."""

from holdfast.store.sqlite.health import SqliteHealth
from holdfast.store.sqlite.store import SqliteStore

__all__ = ["SqliteHealth", "SqliteStore"]
