"""Requests to a server, and what its problems mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from holdfast.clock import jitter
from holdfast.errors import BadOption, HoldfastError, StoreBusy, StoreUnusable
from holdfast.wire.problems import rebuilt

_TRIES = 4
_PATIENCE = httpx2.Timeout(60.0, connect=10.0)
_FOR_EVER = httpx2.Timeout(60.0, connect=10.0, read=90.0)  # servers give signs of life oftener
_AGAIN = frozenset({502, 503, 504})


class Api:
    """A server's API.

    Args:
        url: where it is: ``http://host:port``.
        token: an API token; it is sent in a header, and is in no message.
        transport: instead of the network, for tests.

    Raises:
        BadOption: the URL holds a password, or is none.
    """

    def __init__(self, url: str, token: str | None, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query:
            raise BadOption("a server's URL holds no password or token: set $HOLDFAST_TOKEN")
        if not parts.hostname:
            raise BadOption(f"{url!r} names no server: write http://host:port")
        self.url = url.rstrip("/")
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._client = httpx2.AsyncClient(
            base_url=self.url, headers=self._headers, timeout=_PATIENCE, transport=transport
        )

    def blocking(self) -> httpx2.Client:
        """A client for another thread; whoever asks for it closes it."""
        return httpx2.Client(base_url=self.url, headers=self._headers, timeout=_PATIENCE)

    async def get(self, path: str, **query: Any) -> Any:
        """Ask for JSON; asked again where the answer may only be late.

        Raises:
            HoldfastError: what the server's problem stands for.
        """
        for tried in range(_TRIES):
            try:
                return await self._ask("GET", path, query=query)
            except StoreBusy:
                if tried == _TRIES - 1:
                    raise
                await asyncio.sleep(0.1 * 2**tried * jitter())
        raise AssertionError("unreachable")

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Have something done; raises the same."""
        return await self._ask("POST", path, body=body)

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Have something put; raises the same."""
        return await self._ask("PUT", path, body=body)

    async def delete(self, path: str) -> Any:
        """Have something deleted; raises the same."""
        return await self._ask("DELETE", path)

    async def content(self, path: str) -> bytes:
        """Ask for bytes; raises the same."""
        response = await self._send("GET", path)
        return response.content

    @asynccontextmanager
    async def lines(self, path: str, *, headers: Mapping[str, str] | None = None, **query: Any) -> AsyncIterator[Any]:
        """Ask for lines, one at a time; raises the same."""
        try:
            async with self._client.stream(
                "GET", path, params=_query(query), headers=dict(headers or {}), timeout=_FOR_EVER
            ) as response:
                if response.status_code >= 400:
                    await response.aread()
                    self.check(response)
                yield response.aiter_lines()
        except httpx2.HTTPError as error:
            raise self._away(error) from error

    async def close(self) -> None:
        """Release the connections."""
        await self._client.aclose()

    def check(self, response: httpx2.Response) -> None:
        """Raise what a response that is a problem stands for."""
        if response.status_code < 400:
            return
        raise self._problem(response)

    def decoded(self, response: httpx2.Response) -> Any:
        """The JSON of a response.

        Raises:
            StoreUnusable: it is none: something else answers at this address.
        """
        try:
            return response.json()
        except ValueError as error:
            raise self._foreign(response) from error

    # -- inside

    async def _ask(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        return self.decoded(await self._send(method, path, query=query, body=body))

    async def _send(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        try:
            response = await self._client.request(method, path, params=_query(query or {}), json=body)
        except httpx2.HTTPError as error:
            raise self._away(error) from error
        self.check(response)
        return response

    def _problem(self, response: httpx2.Response) -> HoldfastError:
        if not response.headers.get("content-type", "").startswith("application/problem+json"):
            return StoreBusy(self._said(response)) if response.status_code in _AGAIN else self._foreign(response)
        return self.error_of(self.decoded(response))

    def error_of(self, problem: Mapping[str, Any]) -> HoldfastError:
        """What a problem document stands for."""
        return rebuilt(problem)

    def _foreign(self, response: httpx2.Response) -> StoreUnusable:
        return StoreUnusable(f"{self._said(response)}: no Holdfast server is at this address")

    def _said(self, response: httpx2.Response) -> str:
        kind = response.headers.get("content-type", "nothing")
        return f"{self.url} answers {response.status_code} with {kind}"

    def _away(self, error: Exception) -> StoreBusy:
        return StoreBusy(f"{self.url} does not answer ({type(error).__name__}: {error}): is the server running?")


def segment(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that are given: those that are None are not."""
    given = {name: value for name, value in query.items() if value is not None and value != ()}
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()}
