"""Agents built from every construct of asyncio that is durable. Each returns all that it observed, in order.

Durations differ everywhere, so that no two things happen at one instant unless a body is about just that.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast import (
    App,
    ChildCancelled,
    ChildFailed,
    Context,
    Failure,
    PromiseFailed,
    StepFailed,
    StepTimedOut,
)
from holdfast.clock import to_datetime
from tests.kernel.replay.world import ROOT, START, Act, Case, World

app = App("replay")
cases: dict[str, Case] = {}
Trace = list[Any]


def case(*acts: Act, grace: float = 30.0) -> Any:
    """Register an agent without arguments, and the case that runs it."""

    def register(fn: Any) -> Any:
        @functools.wraps(fn)
        async def body(ctx: Context) -> Trace:
            return plain(await fn(ctx))

        agent = app.agent(body)
        cases[fn.__name__] = Case(call=agent, acts=acts, grace=grace)
        return agent

    return register


def plain(value: Any) -> Any:
    """Tuples as lists: what a trace may hold is JSON."""
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def since(ctx: Context) -> float:
    """Seconds since the world began."""
    return (ctx.now() - to_datetime(START)).total_seconds()


# -- steps


async def work(name: str, seconds: float = 1.0) -> str:
    await World.current.stage.perform(seconds)
    return f"{name}!"


async def number(value: int, seconds: float = 1.0) -> int:
    await World.current.stage.perform(seconds)
    return value


def in_thread(name: str, seconds: float = 1.0) -> str:
    asyncio.run_coroutine_threadsafe(World.current.stage.perform(seconds), World.current.loop).result()
    return f"{name} in a thread"


async def broken(name: str, seconds: float = 1.0) -> str:
    await World.current.stage.perform(seconds)
    raise ValueError(name)


async def flaky(name: str, failures: int, seconds: float = 1.0) -> str:
    attempt = await World.current.stage.perform(seconds)
    if attempt <= failures:
        raise OSError(f"attempt {attempt}")
    return f"{name} at attempt {attempt}"


async def endless(name: str) -> str:
    await World.current.stage.perform(0)
    await asyncio.sleep(3600)
    return name


@app.tool
async def pay(name: str, amount: float) -> str:
    await World.current.stage.perform(0.7)
    return f"{name} got {amount}"


# -- time


@case()
async def sleeping(ctx: Context) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    for seconds in (1, 0, 86_400 * 3, 0.25):
        trace += [await asyncio.sleep(seconds, result=f"slept {seconds}"), since(ctx), loop.time()]
    trace.append(await ctx.step(work, "after"))
    await ctx.sleep_until(datetime(2027, 3, 1, tzinfo=UTC))
    trace += [ctx.now().isoformat(), await ctx.step(work, "later"), since(ctx)]
    return trace


@case()
async def timeouts(ctx: Context) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(2):
            trace.append(await ctx.step(work, "quick", 1.5))
            trace.append(await ctx.step(work, "slow", 3))
    except TimeoutError:
        trace.append(f"too slow at {since(ctx)}")
    try:
        async with asyncio.timeout_at(loop.time() + 1.1) as limit:
            limit.reschedule(loop.time() + 2.1)
            trace.append(await ctx.step(work, "rescheduled", 2))
    except TimeoutError:
        trace.append("not reached")
    trace.append(limit.expired())
    try:
        async with asyncio.timeout(5):
            try:
                async with asyncio.timeout(0.3):
                    await asyncio.sleep(1)
            except TimeoutError:
                trace.append(f"inner at {since(ctx)}")
            await asyncio.sleep(10)
    except TimeoutError:
        trace.append(f"outer at {since(ctx)}")
    trace.append(await asyncio.wait_for(ctx.step(work, "in time", 0.4), 1))
    try:
        await asyncio.wait_for(ctx.step(work, "never", 50), 0.6)
    except TimeoutError:
        trace.append(f"gave up at {since(ctx)}")
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(3), 0)
    trace += [await ctx.step(work, "end", 0.1), since(ctx)]
    return trace


@case()
async def timers_due_together(ctx: Context) -> Trace:
    trace: Trace = []

    async def one(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        trace.append((name, since(ctx)))
        if name == "b":
            first.cancel()
        trace.append(await ctx.step(work, name, 0.1 * ord(name)))

    first = asyncio.ensure_future(one("c", 2))
    await asyncio.gather(one("a", 2), first, one("b", 2), one("d", 1), one("e", 2), return_exceptions=True)
    return [*trace, first.cancelled()]


# -- many at once


@case()
async def gathering(ctx: Context) -> Trace:
    shared: Trace = []

    async def one(name: str, *seconds: float) -> str:
        for i, each in enumerate(seconds):
            shared.append((await ctx.step(work, f"{name}{i}", each), since(ctx)))
        return name

    async def bad() -> str:
        shared.append(await ctx.step(broken, "bad", 2.35))
        return "unreachable"

    results = await asyncio.gather(one("a", 1.1, 1.2, 1.3), one("b", 3.05), one("c", 0.2, 3.45), ctx.step(work, "d", 2.7))
    both = await asyncio.gather(one("x", 1.0, 2.0), bad(), return_exceptions=True)
    try:
        await asyncio.gather(one("y", 1.0, 1.01, 1.02), bad(), one("z", 4.4))
    except StepFailed as error:
        shared.append((type(error).__name__, error.type_name, since(ctx)))
    await asyncio.sleep(7)  # the others have gone on
    return [shared, results, [repr(one) for one in both]]


@case()
async def task_groups(ctx: Context) -> Trace:
    trace: Trace = []

    async def one(name: str, seconds: float) -> str:
        try:
            trace.append(await ctx.step(work, name, seconds))
        except asyncio.CancelledError:
            trace.append(f"{name} was cancelled at {since(ctx)}")
            raise
        finally:
            trace.append(await ctx.step(work, f"{name} tidied", 0.01 * seconds))
        return name

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(name, seconds)) for name, seconds in (("a", 2.1), ("b", 1.3), ("c", 3.7))]
    trace.append([task.result() for task in tasks])
    try:
        async with asyncio.TaskGroup() as group:
            for name, seconds in (("d", 5.3), ("e", 0.9), ("f", 7.9), ("g", 4.1)):
                group.create_task(one(name, seconds))
            group.create_task(ctx.step(broken, "oops", 2.2))
            trace.append(await ctx.step(work, "in the group itself", 6))
    except* StepFailed as failed:
        trace.append([str(error) for error in failed.exceptions])
    return [*trace, since(ctx)]


@case()
async def waiting(ctx: Context) -> Trace:
    trace: Trace = []

    async def one(name: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return await ctx.step(work, name, seconds)

    async def bad(seconds: float) -> str:
        return await ctx.step(broken, "bad", seconds)

    pending = {asyncio.create_task(one(name, seconds)) for name, seconds in (("a", 1.5), ("b", 0.5), ("c", 2.5), ("d", 1))}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        trace.append(([task.result() for task in done], len(pending), since(ctx)))
    tasks = [asyncio.create_task(bad(1.7)), asyncio.create_task(one("e", 0.3)), asyncio.create_task(one("f", 6))]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    trace.append((sorted(tasks.index(task) for task in done), len(pending), since(ctx)))
    trace.append([str(task.exception()) for task in done if task.exception()])
    done, pending = await asyncio.wait(pending, timeout=3.3)
    trace.append((len(done), len(pending), since(ctx)))
    done, pending = await asyncio.wait(pending)
    trace.append(([task.result() for task in done], since(ctx)))
    return trace


@case()
async def as_they_complete(ctx: Context) -> Trace:
    trace: Trace = []
    calls = [ctx.step(work, str(i), seconds) for i, seconds in enumerate((2.2, 0.7, 3.1, 1.4))]
    for next_one in asyncio.as_completed(calls):
        trace.append((await next_one, since(ctx)))
    try:
        for next_one in asyncio.as_completed([ctx.step(work, "x", 1), ctx.step(work, "y", 9)], timeout=4):
            trace.append(await next_one)
    except TimeoutError:
        trace.append(f"timed out at {since(ctx)}")
    trace.append(await ctx.step(work, "end"))
    return trace


@case()
async def sets_of_tasks(ctx: Context) -> Trace:
    """What iterates over a set of tasks does so in the same order everywhere."""
    trace: Trace = []

    async def one(name: int) -> int:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            trace.append(f"{name} cancelled")
            raise
        trace.append(name)
        return await ctx.step(number, name, 0)

    async def wait_for_ever(name: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            trace.append(f"{name} ended")

    done, _ = await asyncio.wait([asyncio.create_task(one(i)) for i in range(12)])
    trace.append([task.result() for task in done])
    for task in {asyncio.create_task(wait_for_ever(i)) for i in range(12)} - (odd := {asyncio.create_task(one(99))}):
        await asyncio.sleep(0)
        task.cancel()
    trace.append(len(await asyncio.gather(*odd)))
    with suppress(BaseExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for i in range(20, 32):
                group.create_task(wait_for_ever(i))
            group.create_task(ctx.step(broken, "abort", 0.4))
    return trace


@case()
async def shielding(ctx: Context) -> Trace:
    trace: Trace = []
    inner = asyncio.ensure_future(ctx.step(work, "shielded", 3))
    try:
        await asyncio.wait_for(asyncio.shield(inner), 1)
    except TimeoutError:
        trace.append((f"gave up at {since(ctx)}", inner.done()))
    trace += [await inner, since(ctx)]
    outer = asyncio.ensure_future(asyncio.shield(asyncio.ensure_future(ctx.step(work, "again", 2))))
    await asyncio.sleep(0.5)
    outer.cancel()
    with suppress(asyncio.CancelledError):
        await outer
    trace += [outer.cancelled(), await ctx.step(work, "end", 4)]
    return trace


# -- what tasks share


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


# -- generators, managers, context


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


# -- cancelling


@case()
async def cancelling(ctx: Context) -> Trace:
    trace: Trace = []

    async def stubborn(name: str) -> str:
        task = asyncio.current_task()
        assert task is not None
        try:
            await ctx.step(work, f"{name} works", 5)
        except asyncio.CancelledError as error:
            trace.append((name, error.args, task.cancelling(), since(ctx)))
            task.uncancel()
        trace.append((name, task.cancelling(), await ctx.step(work, f"{name} goes on", 1.1)))
        return name

    async def obedient() -> None:
        try:
            await asyncio.sleep(50)
        finally:
            trace.append(await ctx.step(work, "tidied", 0.8))

    first, second = asyncio.create_task(stubborn("first")), asyncio.create_task(obedient())
    never = asyncio.create_task(stubborn("never began"))
    never.cancel()
    await asyncio.sleep(2)
    first.cancel("enough")
    second.cancel()
    trace.append([repr(one) for one in await asyncio.gather(first, second, never, return_exceptions=True)])
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().call_later(1.5, me.cancel)
    try:
        await ctx.step(work, "mine", 9)
    except asyncio.CancelledError:
        trace.append((me.cancelling(), me.uncancel(), since(ctx)))
    trace.append(await ctx.step(work, "end", 1))
    return trace


@case(Act(at=4.5, do=lambda client: client.cancel(ROOT, reason="no longer wanted")))
async def cancelled_from_outside(ctx: Context) -> Trace:
    trace: Trace = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.step(work, "a", 2))
            group.create_task(ctx.step(work, "b", 8))
            group.create_task(napping(20.0))
            await asyncio.sleep(100)
    finally:
        trace.append(await ctx.step(work, "clean", 1.2))
        with suppress(TimeoutError):
            await asyncio.wait_for(ctx.step(work, "long", 9), 0.9)
        await ctx.step(remember, [*trace, since(ctx)])
    return trace


async def remember(trace: Trace) -> Trace:
    """The result of a cancelled run is not kept: what it saw is in the journal as the result of this."""
    await World.current.stage.perform(0)
    return trace


@case(Act(at=4.5, do=lambda client: client.cancel(ROOT, reason="no longer wanted")), grace=3.0)
async def cancelled_beyond_its_grace(ctx: Context) -> Trace:
    while True:
        with suppress(asyncio.CancelledError):
            await ctx.step(work, "on and on", 2)


# -- callbacks and threads


@case()
async def callbacks(ctx: Context) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    loop.call_soon(trace.append, "soon")
    loop.call_later(2, trace.append, "later")
    loop.call_later(1, lambda: loop.call_soon(trace.append, ("soon from later", since(ctx))))
    loop.call_later(1.2, lambda: asyncio.ensure_future(one("task of a callback")))
    loop.call_later(3, trace.append, "never").cancel()
    loop.call_at(loop.time() + 1.5, trace.append, "at")
    future: asyncio.Future[str] = loop.create_future()
    loop.call_later(4, future.set_result, "set")

    async def one(name: str) -> None:
        trace.append((name, await ctx.step(work, name, 0.4), since(ctx)))

    trace.append(await future)
    task = asyncio.ensure_future(ctx.step(work, "done", 1))
    task.add_done_callback(lambda done: trace.append(("done", done.result(), since(ctx))))
    await asyncio.wait([task])
    await asyncio.sleep(0)
    return trace


@case()
async def threads(ctx: Context) -> Trace:
    trace: Trace = [await ctx.step(in_thread, "alone", 0.6)]
    for next_one in asyncio.as_completed([ctx.step(in_thread, str(i), seconds) for i, seconds in enumerate((2.1, 0.8, 1.3))]):
        trace.append(await next_one)
    try:
        await asyncio.wait_for(ctx.step(in_thread, "slow", 5), 1)
    except TimeoutError:
        trace.append(since(ctx))
    return trace


# -- failing


@case()
async def failing(ctx: Context) -> Trace:
    trace: Trace = []
    try:
        await ctx.step(broken, "first")
    except StepFailed as error:
        trace.append((error.type_name, str(error)))
    try:
        await ctx.step(broken, "second").using(raises=[ValueError])
    except ValueError as error:
        trace.append((repr(error), type(error.__cause__).__name__))
    trace.append(await ctx.step(flaky, "third", 2).using(retries=3, backoff="4s"))
    trace.append(since(ctx))
    try:
        await ctx.step(flaky, "fourth", 9).using(retries=2, backoff="2s", retry_on=[OSError])
    except StepFailed as error:
        trace.append((str(error), since(ctx)))
    try:
        await ctx.step(broken, "fifth").using(retries=5, retry_on=[OSError])
    except StepFailed as error:
        trace.append((str(error), since(ctx)))
    try:
        await ctx.step(endless, "sixth").using(timeout="20ms")
    except StepTimedOut as error:
        trace.append(type(error).__name__)
    slow = asyncio.ensure_future(ctx.step(flaky, "seventh", 1).using(retries=1, backoff="30s"))
    quick = await asyncio.gather(*(ctx.step(flaky, str(i), 1, 0.3 + i).using(retries=1, backoff="5s") for i in range(3)))
    trace += [quick, since(ctx), slow.done(), await slow]
    try:
        async with asyncio.timeout(3):
            await ctx.step(flaky, "given up while it backs off", 5).using(retries=5, backoff="8s")
    except TimeoutError:
        trace.append(since(ctx))
    trace += [await pay("ann", 3.5), since(ctx)]
    return trace


@case()
async def failing_itself(ctx: Context) -> Trace:
    await ctx.step(work, "good")
    try:
        await ctx.step(broken, "bad")
    finally:
        await ctx.step(work, "tidied")
    return []


# -- promises


def resolving(at: float, name: str, value: object) -> Act:
    return Act(at=at, do=lambda client: client.resolve(f"{ROOT}/{name}", value))


@case(
    resolving(1.5, "early", {"paid": True}),
    resolving(3.5, "late", 7),
    Act(at=5.5, do=lambda client: client.fail(f"{ROOT}/failed", "no money")),
    resolving(8.5, "raced", [1, 2]),
    resolving(9.1, "forgotten", "nobody waits"),
    resolving(12.5, "too late", 1),
)
async def promises(ctx: Context) -> Trace:
    trace: Trace = []
    late = ctx.promise("late", int)
    trace.append(await ctx.step(work, late.id, 2))
    early = ctx.promise("early", dict[str, bool])
    trace += [await early, await early, since(ctx)]
    trace += [await asyncio.gather(late, waiting_twice(late), ctx.step(work, "beside", 4)), since(ctx)]
    try:
        await ctx.promise("failed", str)
    except PromiseFailed as error:
        trace.append((str(error), since(ctx)))
    done, _ = await asyncio.wait(
        [asyncio.ensure_future(wrapped(ctx.promise("raced", list[int]))), asyncio.ensure_future(asyncio.sleep(50))],
        return_when=asyncio.FIRST_COMPLETED,
    )
    trace += [[task.result() for task in done], since(ctx)]
    try:
        await asyncio.wait_for(wrapped(ctx.promise("too late", int)), 1)
    except TimeoutError:
        trace.append(since(ctx))
    ctx.promise("never", int)
    await asyncio.sleep(5)
    trace += [await ctx.promise("too late", int), since(ctx)]
    return trace


async def wrapped(promise: Any) -> Any:
    return await promise


async def waiting_twice(promise: Any) -> Any:
    return [await promise, await promise]


# -- children


@app.agent
async def napping(ctx: Context, seconds: float) -> Trace:
    trace: Trace = []
    try:
        await asyncio.sleep(seconds)
        trace.append(await ctx.step(work, f"nap {seconds}", seconds / 7))
    except asyncio.CancelledError:
        await ctx.step(work, "woken", 0.35)
        raise
    return [*trace, since(ctx)]


@app.agent
async def sinking(ctx: Context, seconds: float) -> Trace:
    await ctx.step(broken, "sunk", seconds)
    return []


@case()
async def children(ctx: Context) -> Trace:
    trace: Trace = []
    trace.append(await asyncio.gather(napping(1.1), napping(0.6), napping(2.3)))
    first, second = await ctx.start(napping(3.3)), await ctx.start(napping(1.7), key="own")
    trace += [first.id, second.id, await ctx.step(work, "meanwhile", 2.9)]
    trace += [await second.result(), await first.result(), await first.result(), since(ctx)]
    try:
        await sinking(0.9)
    except ChildFailed as error:
        trace.append((str(error), since(ctx)))
    try:
        await asyncio.wait_for(napping(30.0), 1.2)
    except TimeoutError:
        trace.append(since(ctx))
    try:
        await napping(40.0).using(timeout="3s")
    except ChildFailed as error:
        trace.append((error.type_name, since(ctx)))
    third = await ctx.start(napping(60.0))
    try:
        await third.result(timeout="2s")
    except TimeoutError:
        await third.cancel()
    try:
        await third.result()
    except ChildCancelled as error:
        trace.append((str(error), since(ctx)))
    detached = await ctx.start(napping(20.0), detached=True)
    await ctx.start(napping(70.0))  # ends with its parent
    return [*trace, detached.id, since(ctx)]


@case()
async def child_groups(ctx: Context) -> Trace:
    trace: Trace = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(napping(1.9))
            group.create_task(napping(8.7))
            group.create_task(sinking(3.3))
    except* ChildFailed as failed:
        trace += [[str(error) for error in failed.exceptions], since(ctx)]
    pending = {asyncio.create_task(napping(seconds)) for seconds in (2.4, 0.8, 1.5)}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        trace.append(([task.result() for task in done], since(ctx)))
    return trace


# -- maps


@case()
async def map_of_steps(ctx: Context) -> Trace:
    trace: Trace = []
    plain = await ctx.map(number_of, ["3.1", "1.2", "2.3", "0.4", "1.7"], key=str, concurrency=3)
    trace += [list(plain), len(plain), plain[1], plain[-1], list(plain[1:3]), since(ctx)]
    trace.append(list(await ctx.map(in_thread, ["a"], key=str)))
    trace.append(list(await ctx.map(at_once, range(7), key=str, concurrency=2, checkpoint_every=3)))
    trace.append(list(await ctx.map(tool_of, [2, 1], key=str)))
    trace.append(list(await ctx.map(number_of, [], key=str)))
    return [*trace, since(ctx)]


async def number_of(text: str) -> float:
    await World.current.stage.perform(float(text))
    return float(text)


async def at_once(value: int) -> int:
    await World.current.stage.perform(0)
    return value * value


@app.tool
async def tool_of(value: int) -> int:
    await World.current.stage.perform(value)
    return -value


async def fails_above_two(value: float) -> float:
    await World.current.stage.perform(value)
    if value > 2:
        raise ValueError(f"{value} is too much")
    return value


@case()
async def map_that_fails(ctx: Context) -> Trace:
    trace: Trace = []
    kept = await ctx.map(fails_above_two, [1.0, 2.5, 0.3, 3.5], key=str, on_error="collect", concurrency=2)
    trace += [[str(one) if isinstance(one, Failure) else one for one in kept], since(ctx)]
    try:
        await ctx.map(fails_above_two, [1.1, 5.0, 2.2, 9.0], key=str, concurrency=3)
    except StepFailed as error:
        trace += [str(error), since(ctx)]
    try:
        await asyncio.wait_for(waiting_map(ctx), 2)
    except TimeoutError:
        trace.append(since(ctx))
    try:
        await ctx.map(fails_above_two, [1.3, 0.2, 1.3], key=str, concurrency=3)
    except Exception as error:
        trace.append(type(error).__name__)

    async def falls(value: float) -> float:
        await asyncio.sleep(value)
        return await ctx.step(fails_above_two, value)

    kept = await ctx.map(falls, [1.0, 2.6, 0.3], key=str, on_error="collect")
    trace += [[str(one) if isinstance(one, Failure) else one for one in kept], since(ctx)]
    try:
        await ctx.map(falls, [1.0, 2.7, 6.3, 0.1], key=str)
    except Exception as error:
        trace += [type(error).__name__, str(error), since(ctx)]

    async def tidies(value: float) -> str:
        try:
            return await ctx.step(work, str(value), value)
        finally:
            trace.append(f"{value} tidies at {since(ctx)}")
            await asyncio.sleep(0.3)
            trace.append((await ctx.step(work, f"{value} tidied", 0.1 * value), since(ctx)))

    try:
        await asyncio.wait_for(mapping(ctx, tidies), 0.7)
    except TimeoutError:
        await asyncio.sleep(5)
    trace.append(await ctx.step(work, "end"))
    return trace


async def mapping(ctx: Context, fn: Any) -> Any:
    return list(await ctx.map(fn, [4.0, 3.0, 2.0, 1.0], key=str))


async def waiting_map(ctx: Context) -> list[float]:
    return list(await ctx.map(fails_above_two, [1.4, 1.9, 1.8], key=str, concurrency=1))


@case()
async def map_of_branches(ctx: Context) -> Trace:
    async def branch(value: float) -> Trace:
        trace: Trace = [await ctx.step(work, "first", value)]
        done, pending = await asyncio.wait(
            [asyncio.create_task(asyncio.sleep(value / 2, "slept")), asyncio.create_task(napped(value))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        trace += [[task.result() for task in done], len(pending)]
        try:
            async with asyncio.timeout(1.05):
                trace.append(await ctx.step(work, "raced", value))
        except TimeoutError:
            trace.append("timed out")
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return [*trace, since(ctx), ctx.random.random(), str(ctx.uuid())]

    async def napped(value: float) -> str:
        await asyncio.sleep(value / 3)
        return await ctx.step(work, "napped", value / 11)

    results = list(await ctx.map(branch, [1.3, 0.7, 2.9, 0.35], key=str, concurrency=2))
    return [results, since(ctx), await ctx.step(work, "end")]


@case()
async def maps_in_branches(ctx: Context) -> Trace:
    async def outer(name: str) -> Trace:
        async def inner(value: float) -> Trace:
            await asyncio.sleep(value)
            return [name, value, await ctx.step(work, f"{name}{value}", value / 7), since(ctx)]

        before = await ctx.step(work, name, 0.31 * len(name))
        steps = list(await ctx.map(number_of, [f"{len(name)}.15", "0.45"], key=str))
        branches = list(await ctx.map(inner, [0.85 * len(name), 0.53], key=str))
        child = await napping(0.77 * len(name))
        return [before, steps, branches, child]

    results = list(await ctx.map(outer, ["a", "bb", "ccc"], key=str))
    return [results, since(ctx)]


@case()
async def map_of_children(ctx: Context) -> Trace:
    trace: Trace = [list(await ctx.map(napping, [2.2, 0.9, 1.6, 0.5], key=str, concurrency=2)), since(ctx)]
    kept = await ctx.map(sinking, [1.1, 0.4], key=str, on_error="collect")
    trace += [[str(one) for one in kept], since(ctx)]
    try:
        await ctx.map(sinking, [2.1, 0.7, 5.5], key=str)
    except ChildFailed as error:
        trace += [str(error), since(ctx)]
    try:
        await asyncio.wait_for(waiting_children(ctx), 2.5)
    except TimeoutError:
        trace.append(since(ctx))
    trace.append(await ctx.step(work, "end", 3))
    return trace


async def waiting_children(ctx: Context) -> Any:
    return list(await ctx.map(napping, [1.2, 7.7, 8.8], key=str, concurrency=2))


@case()
async def streaming_maps(ctx: Context) -> Trace:
    trace: Trace = []
    async for item, result in ctx.map(number_of, ["2.1", "0.6", "1.3"], key=str):
        trace.append((item, result, since(ctx)))
        trace.append(await ctx.step(work, item, 0.17))
    async for item, result in ctx.map(number_of, ["1.1", "4.6", "0.3", "7.7"], key=str, concurrency=2):
        trace.append((item, result, since(ctx)))
        if item == "1.1":
            break
    trace.append(await ctx.step(work, "between", 1.9))
    async for item, result in ctx.map(napping, [1.4, 0.2, 3.8], key=str, concurrency=2):
        trace.append((item, result, since(ctx)))
    try:
        async for item, result in ctx.map(fails_above_two, [1.0, 3.3, 2.0], key=str):
            trace.append((item, result))
    except StepFailed as error:
        trace.append((str(error), since(ctx)))

    async def branch(value: float) -> Trace:
        await asyncio.sleep(value)
        return [await ctx.step(work, str(value), value / 3), since(ctx)]

    async for item, result in ctx.map(branch, [2.5, 0.4, 1.0], key=str, concurrency=2):
        trace.append((item, result, since(ctx)))
    return trace


@case()
async def async_sources(ctx: Context) -> Trace:
    trace: Trace = []

    async def source(*values: str) -> AsyncIterator[str]:
        for value in values:
            await asyncio.sleep(0.3)
            yield value
        trace.append(f"exhausted at {since(ctx)}")

    async def branch(value: str) -> str:
        return await ctx.step(work, value, float(value) / 3)

    trace.append(list(await ctx.map(number_of, source("1.7", "0.2", "2.3", "0.4"), key=str, concurrency=2)))
    trace.append(list(await ctx.map(branch, source("1.75", "0.25", "2.35"), key=str)))
    trace.append(list(await ctx.map(napping, numbers_of(ctx, 1.1, 0.55), key=str)))
    async for item, result in ctx.map(at_once, numbers_of(ctx, 3, 4, 5, 6, 7), key=str, checkpoint_every=2):
        trace.append((item, result, since(ctx)))
    return trace


async def numbers_of(ctx: Context, *values: Any) -> AsyncIterator[Any]:
    for value in values:
        yield await ctx.step(number_like, value)


async def number_like(value: Any) -> Any:
    await World.current.stage.perform(0.41)
    return value


# -- the rest


@case()
async def chance(ctx: Context) -> Trace:
    trace: Trace = []

    async def one(seconds: float) -> None:
        await ctx.step(work, str(seconds), seconds)
        trace.append((ctx.random.randrange(10**9), str(ctx.uuid()), ctx.now().isoformat()))

    trace.append((ctx.random.random(), str(ctx.uuid()), ctx.now().isoformat()))
    await asyncio.gather(one(1.4), one(0.3), one(2.2))
    items = list(range(10))
    ctx.random.shuffle(items)
    await asyncio.sleep(1.5)
    return [*trace, items, ctx.random.gauss(), str(ctx.now() + timedelta(days=1)), str(ctx.uuid())]


@case()
async def changes(ctx: Context) -> Trace:
    trace: Trace = []
    for i in range(3):
        trace.append(ctx.changed("pay"))
        trace.append(await pay(str(i), i))
    trace.append(ctx.changed("other"))
    await asyncio.sleep(1)
    ctx.progress(1, 2, "half")
    trace += [ctx.changed("other"), await ctx.step(work, "end")]
    return trace


@app.agent
async def laps(ctx: Context, lap: int, seen: Trace) -> Trace:
    seen = [*seen, [lap, await ctx.step(work, f"lap {lap}", 0.7), since(ctx), ctx.random.random(), str(ctx.uuid())]]
    await asyncio.sleep(1.1 + lap)
    gate = ctx.promise("gate", str)
    if lap == 2:
        seen.append(await gate)
    await ctx.start(napping(50.0))
    if lap < 3:
        await ctx.continue_as(laps(lap + 1, seen))
    return seen


cases["laps"] = Case(call=lambda: laps(0, []), acts=(resolving(2.2, "gate", "open"),))


@case(resolving(30.5, "go", "gone"))
async def everything(ctx: Context) -> Trace:
    """Tasks, queues, timers, promises, children and a map that race each other."""
    trace: Trace = []
    queue: asyncio.Queue[str] = asyncio.Queue()

    async def branch(value: float) -> str:
        await asyncio.sleep(value)
        return await ctx.step(work, f"branch {value}", value)

    async def mapping() -> None:
        async for item, result in ctx.map(branch, [2.7, 1.2, 0.8, 3.9], key=str, concurrency=2):
            await queue.put(f"{item} {result}")

    async def nursing() -> None:
        for seconds in (1.9, 0.65):
            await queue.put(str(await napping(seconds)))

    async def ticking() -> None:
        while True:
            await asyncio.sleep(1.01)
            trace.append(f"tick {since(ctx)}")

    ticker = asyncio.create_task(ticking())
    async with asyncio.TaskGroup() as group:
        group.create_task(mapping())
        group.create_task(nursing())
        trace += [await queue.get() for _ in range(6)]
    ticker.cancel()
    go = ctx.promise("go", str)
    done, _ = await asyncio.wait([asyncio.create_task(wrapped(go)), asyncio.create_task(asyncio.sleep(90))], return_when="FIRST_COMPLETED")
    trace += [[task.result() for task in done], since(ctx)]
    return trace
