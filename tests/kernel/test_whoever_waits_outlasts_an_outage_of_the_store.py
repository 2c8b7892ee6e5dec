"""Whoever waits for a run goes on waiting while the store is away, says so once, and gives up only if it is no use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast import App, Client, Context, StoreUnusable
from holdfast.cli.watch import follow_to_end
from holdfast.durable.events import teller
from holdfast.store.postgres.address import Address
from holdfast.store.sqlite import SqliteStore
from tests.postgres import schemas
from tests.postgres.proxy import Proxy

app = App("patient")


async def told() -> str:
    teller().tell("word", "well")
    return "well"


@app.agent
async def job(ctx: Context) -> str:
    return await ctx.step(told)


class Outage:
    """A client's store that can go away, and come back."""

    def __init__(self, client: Client, goes: Callable[[], object], comes_back: Callable[[], Awaitable[None]]) -> None:
        self.client = client
        self.goes = goes
        self.comes_back = comes_back


@asynccontextmanager
async def outage(kind: str, url: str) -> AsyncIterator[Outage]:
    if kind == "postgres":
        async with Proxy(url) as proxy, app.connect(proxy.url) as client:
            yield Outage(client, proxy.shut, proxy.open_again)
        return
    file = Path(url.removeprefix("sqlite:///"))
    away = file.parent.with_name("away")
    async with app.connect(url) as client:

        def goes() -> None:
            """The folder is not there, as if it were not mounted."""
            assert isinstance(client.store, SqliteStore)
            while (reader := client.store._file._idle_reader()) is not None:
                reader.close()
            file.parent.rename(away)
            client.store._file.hub.ring()  # or nobody would look

        async def comes_back() -> None:
            away.rename(file.parent)

        yield Outage(client, goes, comes_back)


async def is_waiting(client: Client) -> None:
    """For news; and what it asked before is answered."""
    store: Any = client.store
    hub = store._file.hub if isinstance(store, SqliteStore) else store._hub
    async with asyncio.timeout(60):
        while not hub._watches:  # noqa: ASYNC110  # it says so to nobody
            await asyncio.sleep(0.001)


@pytest.fixture
def url(kind: str, url: str, tmp_path: Path) -> str:
    """In a folder of its own, which can go away."""
    if kind == "postgres":
        return url
    (tmp_path / "here").mkdir()
    return f"sqlite:///{tmp_path}/here/kernel.db"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[str], Awaitable[int]]:
    """Waits until the log has said something, and counts how often it did."""
    caplog.set_level(logging.INFO)

    async def wait(what: str) -> int:
        async with asyncio.timeout(60):
            while not (times := sum(what in message for message in caplog.messages)):  # noqa: ASYNC110  # nor the log
                await asyncio.sleep(0.01)
        return times

    return wait


async def _result(client: Client, run_id: str) -> Any:
    return await (await client.get(run_id)).result()


async def _until_ended(client: Client, run_id: str) -> Any:
    await client.wait_until(run_id, lambda run: run.status.ended)
    return "well"


async def _events(client: Client, run_id: str) -> Any:
    async for _ in (await client.get(run_id)).events():
        pass
    return "well"


async def _watch(client: Client, run_id: str) -> Any:
    await follow_to_end(client, run_id, as_json=True)
    return "well"


WAYS = {"result": _result, "wait_until": _until_ended, "events": _events, "runs watch": _watch}


@pytest.mark.parametrize("way", WAYS)
async def test_the_store_is_away_and_comes_back(
    way: str, kind: str, url: str, said: Callable[[str], Awaitable[int]]
) -> None:
    async with outage(kind, url) as store:
        run = await store.client.start(job())
        waiting = asyncio.ensure_future(WAYS[way](store.client, run.id))
        await is_waiting(store.client)
        store.goes()
        assert await said("does not answer") == 1
        await store.comes_back()
        async with app.open(url):
            assert await asyncio.wait_for(waiting, 60) == "well"
        assert await said("answers again") == await said("does not answer") == 1


async def test_the_patience_of_a_result_ends_with_its_timeout_and_says_why(
    kind: str, url: str, said: Callable[[str], Awaitable[int]]
) -> None:
    async with outage(kind, url) as store:
        run = await store.client.start(job())
        with pytest.raises(TimeoutError, match=f"after 0.01s run {run.id} has not come to that. It goes on"):
            await run.result(timeout="0.01s")
        other = asyncio.ensure_future(run.result())
        await is_waiting(store.client)
        store.goes()
        await said("does not answer")  # known to all who wait here, before the next has asked
        with pytest.raises(TimeoutError, match=r"cannot be asked for: .*try again. It goes on"):
            await run.result(timeout="0.3s")
        await store.comes_back()
        assert await run.status() == "queued"
        other.cancel()


@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
async def test_nobody_waits_for_a_store_that_lets_nobody_in_any_more(url: str) -> None:
    role = f"role_of_{Address.of(url).schema}"
    schemas.execute(url, f"CREATE ROLE {role} SUPERUSER LOGIN")
    try:
        async with Proxy(url.replace("postgres@", f"{role}@")) as proxy, app.connect(proxy.url) as client:
            run = await client.start(job())
            waiting = asyncio.ensure_future(run.result())
            await is_waiting(client)
            schemas.execute(url, f"ALTER ROLE {role} NOLOGIN")
            proxy.cut()
            with pytest.raises(StoreUnusable, match="Check user and password"):
                await asyncio.wait_for(waiting, 60)
    finally:
        schemas.execute(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
