"""Hosts: of those that a URL names the one that takes writes, though others may not answer at all.

A machine that has lost its power refuses nothing: it is silent, and whoever waits for it first has no time left for
the next. So each host is asked a little after the one before, whatever has become of that, and the first that can be
used is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

AFTER_S = 0.5  # how long a host has the word until the next is asked as well

Connecting = Callable[[str], Awaitable[asyncpg.Connection]]


def each(dsn: str) -> list[str]:
    """The same address for each of its hosts.

    Example:
        >>> each("postgresql://app@one,two:5433/app")
        ['postgresql://app@one/app', 'postgresql://app@two:5433/app']
    """
    parts = urlsplit(dsn)
    login, at, hosts = parts.netloc.rpartition("@")
    if hosts:
        return [urlunsplit(parts._replace(netloc=login + at + host)) for host in hosts.split(",")]
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    names, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    if len(names) < 2 or len(ports) not in (1, len(names)):
        return [dsn]
    ports = ports * len(names) if len(ports) == 1 else ports
    places = (
        {**given, "host": name} | ({"port": port} if port else {}) for name, port in zip(names, ports, strict=True)
    )
    return [urlunsplit(parts._replace(query=urlencode(place, safe="/"))) for place in places]


async def first(dsns: Sequence[str], connect: Connecting) -> asyncpg.Connection:
    """A connection to the first of them that can be used.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError: none can; what says most about why.
    """
    left, asked, errors = list(dsns), set[asyncio.Future[asyncpg.Connection]](), list[BaseException]()
    try:
        while left or asked:
            if left:
                asked.add(asyncio.ensure_future(connect(left.pop(0))))
            done, _ = await asyncio.wait(asked, timeout=AFTER_S if left else None, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                asked.discard(one)
                error = one.exception()
                if error is None:
                    asked |= done  # another may have come with it
                    asked.discard(one)
                    return one.result()
                errors.append(error)
    finally:
        await _leave(asked)
    raise min(errors, key=_says_less)


async def _leave(asked: set[asyncio.Future[asyncpg.Connection]]) -> None:
    for one in asked:
        one.cancel()
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if not isinstance(answer, BaseException):
            answer.terminate()


def _says_less(error: BaseException) -> int:
    if isinstance(error, asyncpg.PostgresError):
        return 0
    return 1 if isinstance(error, asyncpg.TargetServerAttributeNotMatched) else 2
