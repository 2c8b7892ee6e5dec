"""What tasks share: queues, locks, signals; generators, managers, context variables."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from holdfast import (
    Context,
    StepFailed,
)
from tests.kernel.replay.bodies.house import (
    Trace,
    broken,
    case,
    number,
    since,
    work,
)


@case()
async def queues(ctx: Context) -> Trace:
    trace: Trace = []
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)

    async def produce() -> None:
        for i in range(6):
            await queue.put(await ctx.step(number, i, 0.3))
            trace.append(f"put {i} at {since(ctx)}")

    async def consume(name: str, seconds: float) -> None:
        while True:
            item = await queue.get()
            trace.append((name, item, await ctx.step(work, f"{name} {item}", seconds)))
            queue.task_done()

    workers = [asyncio.create_task(consume("slow", 1.7)), asyncio.create_task(consume("quick", 0.45))]
    await produce()
    await queue.join()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)

    ordered: asyncio.PriorityQueue[tuple[int, str]] = asyncio.PriorityQueue()
    last: asyncio.LifoQueue[str] = asyncio.LifoQueue()

    async def fill(name: str, priority: int, seconds: float) -> None:
        value = await ctx.step(work, name, seconds)
        ordered.put_nowait((priority, value))
        await last.put(value)

    await asyncio.gather(fill("a", 3, 1.1), fill("b", 1, 2.3), fill("c", 2, 0.6))
    trace += [ordered.get_nowait() for _ in range(3)] + [last.get_nowait() for _ in range(3)]
    try:
        await asyncio.wait_for(ordered.get(), 1)
    except TimeoutError:
        trace.append(f"empty at {since(ctx)}")
    return trace


@case()
async def locks(ctx: Context) -> Trace:
    trace: Trace = []
    lock, places = asyncio.Lock(), asyncio.BoundedSemaphore(2)

    async def exclusive(name: str, before: float) -> None:
        await asyncio.sleep(before)
        async with lock:
            trace.append(f"{name} in at {since(ctx)}")
            await ctx.step(work, name, 1.3)

    async def limited(name: str, seconds: float) -> None:
        async with places:
            trace.append(f"{name} at {since(ctx)}")
            trace.append(await ctx.step(work, name, seconds))

    await asyncio.gather(exclusive("a", 0.5), exclusive("b", 0.2), exclusive("c", 0.9))
    await asyncio.gather(*(limited(name, seconds) for name, seconds in (("d", 2), ("e", 0.8), ("f", 1.9), ("g", 0.3))))
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            async with lock:
                await asyncio.Event().wait()
    return [*trace, lock.locked(), since(ctx)]


@case()
async def signals(ctx: Context) -> Trace:
    trace: Trace = []
    event, condition, barrier = asyncio.Event(), asyncio.Condition(), asyncio.Barrier(3)
    stock: list[int] = []

    async def wait_for_event(name: str) -> None:
        await event.wait()
        trace.append((name, await ctx.step(work, name, 0.2 * len(name))))

    async def take(name: str, wanted: int) -> None:
        async with condition:
            await condition.wait_for(lambda: len(stock) >= wanted)
            trace.append((name, [stock.pop() for _ in range(wanted)], since(ctx)))

    async def supply() -> None:
        for i in range(5):
            value = await ctx.step(number, i, 0.7)
            async with condition:
                stock.append(value)
                condition.notify_all()

    async def meet(name: str, seconds: float) -> None:
        await ctx.step(work, name, seconds)
        place = await barrier.wait()
        trace.append((name, place, since(ctx)))

    waiters = [asyncio.create_task(wait_for_event(name)) for name in ("x", "yy", "zzz")]
    await asyncio.sleep(1)
    event.set()
    await asyncio.gather(*waiters)
    await asyncio.gather(take("two", 2), take("three", 3), supply())
    await asyncio.gather(meet("p", 1.9), meet("q", 0.4), meet("r", 2.8))
    return trace


@case()
async def generators(ctx: Context) -> Trace:
    trace: Trace = []

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            for i in range(5):
                yield await ctx.step(number, i, 0.5)
        finally:
            trace.append(f"{name} closes at {since(ctx)}")
            trace.append(await ctx.step(work, f"{name} closed", 0.3))

    async for i in numbers("whole"):
        trace.append(i)
    half = numbers("half")
    async for i in half:
        if i == 1:
            break
    await half.aclose()
    dropped = numbers("dropped")
    trace.append(await anext(dropped))
    del dropped
    trace.append(await ctx.step(work, "after the drop", 2))
    async for i in numbers("broken off"):
        if i == 2:
            break
    left_open = numbers("left open")
    trace.append(await anext(left_open))
    cases_of = [i async for i in numbers("comprehension") if i % 2]
    sent = sending()
    await anext(sent)
    trace.append([await sent.asend(i) for i in (3, 4)])
    return [*trace, cases_of, since(ctx)]


async def sending() -> Any:
    total = 0
    while True:
        total += yield total
        await asyncio.sleep(0.1)


@case()
async def managers(ctx: Context) -> Trace:
    trace: Trace = []

    @asynccontextmanager
    async def resource(name: str) -> AsyncIterator[str]:
        yield await ctx.step(work, f"open {name}", 0.4)
        trace.append(await ctx.step(work, f"close {name}", 0.2))

    class Guard:
        async def __aenter__(self) -> str:
            return await ctx.step(work, "enter", 0.1)

        async def __aexit__(self, kind: Any, error: Any, _: Any) -> bool:
            trace.append((await ctx.step(work, "exit", 0.1), kind.__name__ if kind else None))
            return kind is StepFailed

    async with AsyncExitStack() as stack:
        trace.append(await stack.enter_async_context(resource("a")))
        trace.append(await stack.enter_async_context(resource("b")))
        stack.push_async_callback(lambda: ctx.step(work, "callback", 0.6))
    async with Guard() as guard:
        trace.append(guard)
        await ctx.step(broken, "swallowed", 0.9)
    try:
        async with asyncio.timeout(0.5), Guard():
            await asyncio.sleep(2)
    except TimeoutError:
        trace.append(since(ctx))
    return trace


place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


@case()
async def context_variables(ctx: Context) -> Trace:
    trace: Trace = []

    async def one(name: str, seconds: float) -> None:
        trace.append((name, place.get()))
        token = place.set(name)
        await ctx.step(work, name, seconds)
        trace.append((name, place.get(), since(ctx)))
        place.reset(token)
        await asyncio.sleep(seconds)
        trace.append((name, place.get()))

    place.set("body")
    await asyncio.gather(one("a", 1.5), one("b", 0.9), one("c", 2.3))
    other = contextvars.Context()
    await asyncio.create_task(one("d", 1), context=other)
    asyncio.get_running_loop().call_later(1, lambda: trace.append(("later", place.get())))
    place.set("changed")
    await asyncio.sleep(2)

    async def branch(name: str) -> Trace:
        seen = [name, place.get()]
        place.set(name)
        return [*seen, await ctx.step(work, name, 0.3), place.get()]

    def items() -> Iterator[str]:
        for name in ("e", "f"):
            yield f"{name} {place.get()} {ctx.random.randrange(1000)} {since(ctx)}"

    async def later_items() -> AsyncIterator[str]:
        for name in ("g", "h"):
            await asyncio.sleep(0.2)
            yield f"{name} {place.get()}"

    trace.append(list(await ctx.map(branch, items(), key=str, concurrency=1)))
    trace.append(list(await ctx.map(branch, later_items(), key=str)))
    return [*trace, place.get()]
