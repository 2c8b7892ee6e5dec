"""What the routes work with: the store and what is built on it, and how the server is configured."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from holdfast.approvals.desk import Desk
from holdfast.approvals.notifications.channels import Channels
from holdfast.approvals.tokens import DecisionTokens
from holdfast.client import Client
from holdfast.clock import Clock
from holdfast.people import People
from holdfast.records.health import Finding
from holdfast.server.oidc import OidcConfig, Provider
from holdfast.server.refusals import Refusals
from holdfast.store.base import Store, Watch

MAX_BODY = 24 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig:
    """How a server behaves.

    Attributes:
        public_url: where people reach it, such as ``https://holdfast.example.com``: links point there, and cookies are
            for TLS only if it is ``https``; by default the address it is asked at, over plain HTTP.
        hosts: values of ``Host`` that it answers to; any by default. Say them where a browser may be tricked into
            asking (DNS rebinding).
        max_body: bytes that a request may have.
        keep_alive: seconds between two signs of life on a stream of events.
        oidc: a provider that people log in through; None: by links only.
    """

    public_url: str = ""
    hosts: tuple[str, ...] = ("*",)
    max_body: int = MAX_BODY
    keep_alive: float = 15.0
    oidc: OidcConfig | None = None

    @property
    def secure(self) -> bool:
        """Whether people reach it over TLS."""
        return urlsplit(self.public_url).scheme == "https"


@dataclass(kw_only=True, slots=True)
class House:
    """All of it."""

    store: Store
    client: Client
    clock: Clock
    people: People
    config: ServerConfig
    desk: Desk
    decisions: DecisionTokens
    channels: Channels
    refusals: Refusals
    provider: Provider | None = None  # of log-ins
    stopping: bool = False
    look: asyncio.Task[list[Finding]] | None = None  # of the doctor, the last one
    watches: set[Watch] = field(default_factory=set)  # of streams that are open

    def stop(self) -> None:
        """End the streams of events, which would never end by themselves."""
        self.stopping = True
        for watch in list(self.watches):
            watch.close()


def house_of(request: Request) -> House:
    """The house that a request came to."""
    house: House = request.app.state.house
    return house


InHouse = Annotated[House, Depends(house_of)]
