"""Runs in PostgreSQL, for many machines: the only place where PostgreSQL is known."""

from holdfast.store.postgres.health import PostgresHealth
from holdfast.store.postgres.store import PostgresStore

__all__ = ["PostgresHealth", "PostgresStore"]
