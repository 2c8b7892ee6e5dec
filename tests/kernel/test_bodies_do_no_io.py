"""Sockets, executors, DNS, subprocesses and signals from a body are refused: "wrap it in ctx.step"."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable

import anyio
import pytest

from holdfast import App, Context, EffectInBody
from tests.kernel.making import World, result

here = asyncio.get_running_loop

FORBIDDEN: dict[str, Callable[[], Awaitable[object]]] = {
    "open_connection": lambda: asyncio.open_connection("127.0.0.1", 9),
    "start_server": lambda: asyncio.start_server(lambda *_: None, "127.0.0.1", 0),
    "unix connection": lambda: asyncio.open_unix_connection("/nowhere"),
    "datagram": lambda: here().create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", 9)),
    "getaddrinfo": lambda: here().getaddrinfo("localhost", 80),
    "to_thread": lambda: asyncio.to_thread(print),
    "run_in_executor": lambda: here().run_in_executor(None, print),
    "subprocess": lambda: asyncio.create_subprocess_exec("true"),
    "shell": lambda: asyncio.create_subprocess_shell("true"),
}

SYNC: dict[str, Callable[[], object]] = {
    "signal": lambda: here().add_signal_handler(signal.SIGUSR1, print),
    "reader": lambda: here().add_reader(0, print),
    "threadsafe": lambda: here().call_soon_threadsafe(print),
    "stop": lambda: here().stop(),
    "run_until_complete": lambda: here().run_until_complete(asyncio.Future()),
}


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_what_waits_for_the_outside_is_refused(app: App, world: World, name: str) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        with pytest.raises(EffectInBody, match=r"Wrap it in ctx\.step"):
            await FORBIDDEN[name]()
        return await ctx.step(world.do, "went on")

    assert await result(app, body()) == "went on"


@pytest.mark.parametrize("name", SYNC)
async def test_what_reaches_for_the_loops_insides_is_refused(app: App, name: str) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        with pytest.raises(EffectInBody, match=r"Wrap it in ctx\.step"):
            SYNC[name]()
        return "went on"

    assert await result(app, body()) == "went on"


async def test_socket_calls_of_the_loop_are_refused(app: App) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        @app.agent
        async def body(ctx: Context) -> None:
            loop = here()
            for operation in (lambda: loop.sock_recv(ours, 1), lambda: loop.sock_sendall(ours, b"x")):
                with pytest.raises(EffectInBody):
                    await operation()

        await result(app, body())


async def test_in_a_step_all_of_it_is_allowed(app: App) -> None:
    async def outside() -> str:
        await asyncio.to_thread(int)
        process = await asyncio.create_subprocess_exec("true")
        assert await process.wait() == 0
        return "did it"

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(outside)

    assert await result(app, body()) == "did it"


async def test_structured_concurrency_of_anyio_works_and_is_durable(app: App, world: World) -> None:
    """Libraries of agents are written with it; none of it needs I/O."""

    @app.agent
    async def body(ctx: Context) -> list[str]:
        done: list[str] = []

        async def one(what: str, after: float) -> None:
            await anyio.sleep(after)
            done.append(await ctx.step(world.do, what))

        with anyio.move_on_after(100):
            async with anyio.create_task_group() as group:
                group.start_soon(one, "late", 30)
                group.start_soon(one, "early", 10)
                group.start_soon(one, "never", 3600)
        with pytest.raises(TimeoutError), anyio.fail_after(5):
            await anyio.sleep(10)
        return done

    async with app.test() as t:
        t.crash_at("committed", nth=2)
        assert await (await t.start(body())).result() == ["early", "late"]
    assert world.done == ["early", "late"]
