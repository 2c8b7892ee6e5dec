"""Reach: which addresses messages are never sent to. It is looked at when a connection is made, and not when a name is
read: a name may lead elsewhere by then (DNS rebinding).

Link-local addresses are refused, and those others at which clouds tell a machine its credentials: nobody listens there
whom people want to tell anything. ``HOLDFAST_CHANNELS_ALLOW`` and ``HOLDFAST_CHANNELS_REFUSE`` name networks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from holdfast.errors import BadOption

ALLOW, REFUSE = "HOLDFAST_CHANNELS_ALLOW", "HOLDFAST_CHANNELS_REFUSE"
Network = IPv4Network | IPv6Network

_REFUSED = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16", "fe80::/10",  # link-local: RFC 3927, RFC 4291
            "fd00:ec2::/32",  # AWS, over IPv6
            "100.100.100.200/32",  # Alibaba
            "192.0.0.192/32",  # Oracle
        ),
    )
)  # fmt: skip
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


class Unreachable(OSError):
    """An address that messages are never sent to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What may be reached.

    Attributes:
        refused: networks that may not be.
        allowed: networks that may be all the same.

    Example:
        >>> Reach().refuses("169.254.169.254"), Reach().refuses("::ffff:169.254.1.1"), Reach().refuses("10.0.0.1")
        (True, True, False)
    """

    refused: tuple[Network, ...] = _REFUSED
    allowed: tuple[Network, ...] = ()

    @classmethod
    def from_environment(cls) -> Reach:
        """As ``HOLDFAST_CHANNELS_ALLOW`` and ``HOLDFAST_CHANNELS_REFUSE`` say, over what is refused by default.

        Raises:
            BadOption: one of them names no network.
        """
        return cls(refused=(*_REFUSED, *_networks(REFUSE)), allowed=_networks(ALLOW))

    def refuses(self, address: str) -> bool:
        """Whether an address may not be reached; a name is none."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        meant = _meant(found)
        if any(one in network for one in meant for network in self.allowed):
            return False
        return any(one in network for one in meant for network in self.refused)

    def check(self, address: str) -> None:
        """Refuse an address that may not be reached.

        Raises:
            Unreachable: it may not.
        """
        if self.refuses(address):
            raise Unreachable(f"{address} is an address that messages are not sent to: {ALLOW} allows networks")


def _meant(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """An address, and the one that it stands for."""
    if isinstance(address, IPv4Address):
        return [address]
    inner = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address.ipv4_mapped or address.sixtofour
    return [address] if inner is None else [address, inner]


def _networks(variable: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(one.strip()) for one in os.environ.get(variable, "").split(",") if one.strip())
    except ValueError as error:
        raise BadOption(f"{variable}: {error}; write networks such as 169.254.10.0/24, separated by commas") from error


# -- libraries that connect by themselves

_within: ContextVar[Reach | None] = ContextVar("holdfast_reach", default=None)
_installed = False


@contextmanager
def reaching(reach: Reach) -> Iterator[None]:
    """Inside, and in threads begun there with ``asyncio.to_thread``, no socket of Python is connected beyond it."""
    global _installed
    if not _installed:
        sys.addaudithook(_audit)  # for good: hooks cannot be removed
        _installed = True
    token = _within.set(reach)
    try:
        yield
    finally:
        _within.reset(token)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event != "socket.connect" or (reach := _within.get()) is None:
        return
    address = args[1]
    if isinstance(address, tuple) and address and isinstance(address[0], str):
        reach.check(address[0])
