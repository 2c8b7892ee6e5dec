"""Addresses: what a ``postgresql://`` URL says, and how much of it may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from holdfast.errors import StoreUnusable

SCHEMES = ("postgresql", "postgres")
SCHEMA = "holdfast"
_SCHEMA_BYTES = 40  # names in PostgreSQL end after 63
_OWN = ("schema", "direct")
_WRITE = "write postgresql://user:password@host:5432/database"


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a store is.

    Attributes:
        dsn: what connects to it, password included.
        direct: the same past a pooler, for what needs a session of its own (``?direct=host:port``).
        schema: the schema that the tables are in (``?schema=``).
        shown: the URL without its password.
    """

    dsn: str
    direct: str
    schema: str
    shown: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Read a URL.

        Raises:
            StoreUnusable: it is none, or says something that makes no sense.
        """
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            raise StoreUnusable(f"{url!r} is not a PostgreSQL store: {_WRITE}")
        given = parse_qsl(parts.query, keep_blank_values=True)
        own = {name: value for name, value in given if name in _OWN}
        rest = urlencode([pair for pair in given if pair[0] not in _OWN], safe="/")
        schema = own.get("schema", SCHEMA)
        if not schema or len(schema.encode()) > _SCHEMA_BYTES or "\0" in schema or schema.startswith("pg_"):
            raise StoreUnusable(f"schema={schema!r} cannot be a schema: up to {_SCHEMA_BYTES} bytes, not pg_…")
        dsn = urlunsplit(parts._replace(query=rest))
        login, at, _ = parts.netloc.rpartition("@")
        direct = urlunsplit(parts._replace(query=rest, netloc=login + at + own["direct"])) if "direct" in own else dsn
        return cls(dsn=dsn, direct=direct, schema=schema, shown=_without_password(url))


def _without_password(url: str) -> str:
    hidden = re.sub(r"^(\w+://[^/?#@:]*):[^/?#]*@", r"\1:***@", url)
    return re.sub(r"([?&](?:ssl)?password=)[^&#]*", r"\1***", hidden)
