"""A house under test: a store, a worker with the desk's app, the API, and people who come with tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
from fastapi import FastAPI

from holdfast import App, Approved, Context, Rejected
from holdfast.clock import VirtualClock
from holdfast.durable.events import teller
from holdfast.people import People, Scope
from holdfast.records.approval import Approval
from holdfast.records.run import Status
from holdfast.runtime import Runtime, open_store
from holdfast.server import ServerConfig, create_app
from holdfast.server.serving import listening, serving, url_of
from holdfast.settings import Settings
from holdfast.store.base import Store
from holdfast.store.desk import ApprovalFilter

app = App("house")
EVERYTHING = tuple(Scope)


def shout(text: str) -> str:
    return text.upper()


def say_tokens(text: str) -> str:
    said = teller()
    for word in text.split():
        said.tell("token", word)
    return text


@app.agent(version="2")
async def greet(ctx: Context, name: str, times: float = 1.0) -> str:
    return f"hello {await ctx.step(shout, name)} {times}"


@app.agent
async def ask(ctx: Context, first: str = "") -> bool:
    if first:
        await ctx.step(shout, first)
    return await ctx.promise("answer", bool)


PAID: list[tuple[str, int]] = []


@app.tool
async def pay(claim: str, amount: int) -> str:
    PAID.append((claim, amount))
    return f"paid {amount}"


@app.agent
async def settle(ctx: Context, claim: str, to: str = "role:adjuster", quorum: int = 1) -> str:
    match await ctx.approve(pay(claim, 90), because="it is due", to=to, quorum=quorum, risk=30):
        case Approved(value=payment, by=by):
            return f"{await payment} by {by}"
        case Rejected(reason=reason):
            return f"rejected: {reason}"
        case other:
            return str(other)


@app.agent
async def ask_all(ctx: Context, whom: list[str]) -> None:
    await asyncio.gather(*(ctx.approve(n, to=one) for n, one in enumerate(whom)))


@app.agent
async def fail(ctx: Context, why: str) -> None:
    raise ValueError(why)


@app.agent
async def talk(ctx: Context, text: str) -> str:
    await ctx.promise("go", bool)
    return await ctx.step(say_tokens, text)


@app.agent
async def write(ctx: Context, text: str) -> None:
    await ctx.step((ctx.workspace / "notes <b>.html").write_text, text).using(key="write")


@app.agent
async def many(ctx: Context, names: list[str]) -> list[str]:
    return list(await ctx.map(shout, names, key=str))


class House:
    """All of it, in this process."""

    def __init__(self, runtime: Runtime, api: FastAPI, people: People, clock: Any) -> None:
        self.runtime = runtime
        self.store: Store = runtime.store
        self.api = api
        self.people = people
        self.clock = clock
        self._stack = AsyncExitStack()

    async def token(self, name: str = "root", *roles: str, scopes: tuple[str, ...] = EVERYTHING) -> str:
        """A token of somebody with these roles; an admin by default."""
        await self.people.ensure(name, roles or ("admin",), by="test")
        return (await self.people.tokens.issue(name, scopes, by="test"))[0]

    async def caller(self, name: str = "root", *roles: str, scopes: tuple[str, ...] = EVERYTHING) -> httpx2.AsyncClient:
        """Somebody who sends their token with each request."""
        return await self.client({"Authorization": f"Bearer {await self.token(name, *roles, scopes=scopes)}"})

    async def client(self, headers: dict[str, str] | None = None, url: str = "http://test") -> httpx2.AsyncClient:
        """Somebody who asks without a network in between."""
        transport = httpx2.ASGITransport(app=self.api, raise_app_exceptions=False)
        client = httpx2.AsyncClient(transport=transport, base_url=url, headers=headers)
        return await self._stack.enter_async_context(client)

    async def start(self, call: Any, **how: Any) -> str:
        return (await self.runtime.start(call, **how)).id

    async def close(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def house(url: str, *, config: ServerConfig | None = None, worker: bool = True) -> AsyncIterator[House]:
    """A house over the store at a URL."""
    store = await open_store(url)
    async with app.assemble(store, settings=Settings(poll=0.05, lease=30, linger=0.0)) as runtime:
        if not worker:
            await runtime.worker.stop()
        clock = VirtualClock()
        api = create_app(store, catalog=app.catalog, clock=clock, config=config or ServerConfig(keep_alive=0.2))
        built = House(runtime, api, People(store, clock), clock)
        try:
            yield built
        finally:
            await built.close()


@asynccontextmanager
async def served(built: House) -> AsyncIterator[str]:
    """The same over a real socket; gives its URL."""
    built.api.state.house.stopping = False  # another server may have stopped before
    listener = listening("127.0.0.1", 0)
    async with serving(built.api, listener):
        yield url_of(listener)


async def asked(built: House, call: Any) -> Approval:
    """What a run that is started asks of people."""
    return await asked_by(built, await built.start(call))


async def asked_by(built: House, run: str) -> Approval:
    """What a run asks of people, once it has left memory and a worker has looked for standing approvals."""
    return await asked_when(built, run, lambda approval: approval.due_at is None)


async def asked_when(built: House, run: str, met: Callable[[Approval], bool]) -> Approval:
    """What a run asks of people, once something holds of it."""
    await built.runtime.wait_until(run, lambda record: record.status is Status.WAITING)
    watch = built.store.watch()
    try:
        while not (found := await built.store.approvals(ApprovalFilter(run_id=run))) or not met(found[0]):
            await watch.wait(5)
    finally:
        watch.close()
    return found[0]


async def result(built: House, run_id: str) -> Any:
    """What a run returns."""
    return await (await built.runtime.get(run_id)).result(timeout="60s")


async def ended(built: House, run_id: str) -> None:
    """Wait for the end of a run, however it ends."""
    await asyncio.gather((await built.runtime.get(run_id)).result(), return_exceptions=True)
