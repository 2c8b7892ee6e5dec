"""Addresses: what a ``postgresql://`` URL says, and how much of it may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from holdfast.errors import StoreUnusable

SCHEMES = ("postgresql", "postgres")
SCHEMA = "holdfast"
_SCHEMA_BYTES = 40  # names in PostgreSQL end after 63
_OWN = ("schema", "direct")
_PORT = re.compile(r":[^:\]]*$")  # of a host; an IPv6 address has colons inside its brackets
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
        parts = _parts_of(url)
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


def _parts_of(url: str) -> SplitResult:
    """The parts of a URL; what is written in a way that splits its password is refused, and not shown."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise StoreUnusable(f"{_veiled(url)} cannot be read ({error}): {_WRITE}") from None
    ports = [host.rpartition(":")[2] for host in parts.netloc.rpartition("@")[2].split(",") if _PORT.search(host)]
    torn = "#" in url or "@" in parts.path or any("=" not in pair for pair in parts.query.split("&") if pair)
    if parts.scheme in SCHEMES and (torn or not all(port.isdigit() for port in ports if port)):
        raise StoreUnusable(
            f"{_veiled(url)} cannot be read: a port is a number, and in a user or password # / ? @ are written as "
            "%23 %2F %3F %40"
        )
    return parts


def _veiled(url: str) -> str:
    """A URL without anything that may be of a password, wherever that ends."""
    return re.sub(r"^([^:]*://[^:]*):.*@", r"\1:***@", url, flags=re.DOTALL) if "@" in url else url


def _without_password(url: str) -> str:
    hidden = re.sub(r"^(\w+://[^/?#@:]*):[^/?#]*@", r"\1:***@", url)
    return re.sub(r"([?&](?:ssl)?password=)[^&#]*", r"\1***", hidden)
