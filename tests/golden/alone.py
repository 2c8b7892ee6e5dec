"""What one run does by itself: steps, failures, time, tasks."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from holdfast import Context, OutcomeUnknown, StepFailed, StepTimedOut
from tests.golden.house import Deps, Desk, app, broken, case, in_thread, many_words, pay, said, slow, wrapped

# -- steps


@dataclass
class Line:
    what: str
    price: Decimal
    due: date
    tags: set[str] = field(default_factory=set)


async def line_of(what: str) -> Line:
    return Line(what, Decimal("1.10"), date(2026, 11, 24), {"b", "a"})


async def anything(kind: str) -> Any:
    return {"text": "Zoë \u2028 \x00 ☃", "nested": [[], {}, None, True, -1, 1.5e300]}[kind]


async def raw(length: int) -> bytes:
    return bytes(range(256)) * (length // 256)


async def numbers() -> list[float]:
    return [math.nan, math.inf, -math.inf, -0.0, 1e16, 5e-324]


async def moments(when: datetime, span: timedelta, number: UUID) -> tuple[datetime, timedelta, UUID]:
    return when, span, number


async def asked(desk: Desk, rate: float, text: str) -> str:
    return f"{await desk.ask(text)} at {rate}"


@case("claim ☂", [Line("ink", Decimal("9.99"), date(2026, 1, 2))])
@app.agent
async def steps(ctx: Context[Deps], claim: str, lines: list[Line]) -> list[Any]:
    seen: list[Any] = [await ctx.step(said, claim), await ctx.step(in_thread, 21)]
    bought = await ctx.step(line_of, lines[0].what)
    seen += [str(bought.price), sorted(bought.tags), bought.due.isoformat()]
    seen += [await ctx.step(anything, "text"), await ctx.step(anything, "nested").using(returns=list[Any])]
    seen += [len(await ctx.step(raw, 1024)), len(await ctx.step(raw, 20_480)), len(await ctx.step(many_words, 3000))]
    seen.append([str(one) for one in await ctx.step(numbers)])
    seen += list(map(str, await ctx.step(moments, ctx.now(), timedelta(days=1.5), UUID(int=7))))
    seen += [await ctx.step(said, f"{key}").using(key=f"{key}/x#1") for key in ("b", "a")]
    seen.append(await ctx.step(asked, ctx.deps.desk, ctx.deps.rate, "rebate"))
    seen.append(await pay("ann", bought.price + Decimal("0.01")))
    ctx.progress(1, 2, "half")
    return seen


# -- failures


_tries: dict[str, int] = {}


async def flaky(name: str, failures: int) -> str:
    _tries[name] = _tries.get(name, 0) + 1
    if _tries[name] <= failures:
        raise OSError(f"attempt {_tries[name]}")
    return f"{name} at attempt {_tries[name]}"


@case()
@app.agent
async def failures(ctx: Context[Deps]) -> list[str]:
    seen = [await ctx.step(flaky, "mended", 2).using(retries=3, backoff="1m")]
    try:
        await ctx.step(flaky, "hopeless", 9).using(retries=1, backoff="1h", retry_on=[OSError])
    except StepFailed as error:
        seen.append(str(error))
    try:
        await ctx.step(broken, "as itself").using(raises=[ValueError])
    except ValueError as error:
        seen.append(repr(error))
    try:
        await ctx.step(slow).using(timeout="10ms")
    except StepTimedOut as error:
        seen.append(error.type_name)
    try:
        await ctx.step(slow).using(timeout="10ms", effect="at_most_once", key="once")
    except OutcomeUnknown as error:
        seen.append(error.key)
    return [*seen, await ctx.step(said, "sent").using(effect="at_most_once")]


@case()
@app.agent
async def falls(ctx: Context[Deps]) -> None:
    await ctx.step(said, "before")
    await ctx.step(broken, "uncaught")


# -- time


@case()
@app.agent
async def timers(ctx: Context[Deps]) -> list[str]:
    seen = [ctx.now().isoformat()]
    await asyncio.sleep(9 * 86_400)
    await asyncio.sleep(0)
    await ctx.sleep_until(datetime(2027, 2, 1, 12, tzinfo=UTC))
    seen.append(ctx.now().isoformat())
    asyncio.get_running_loop().call_later(3, seen.append, "called")
    naps = [asyncio.sleep(2, "b"), asyncio.sleep(1, "a"), asyncio.sleep(2, "c"), asyncio.sleep(5, "d")]
    seen += [await nap for nap in asyncio.as_completed(naps)]
    try:
        async with asyncio.timeout(10):
            await asyncio.wait_for(asyncio.Event().wait(), 4)
    except TimeoutError:
        seen.append(ctx.now().isoformat())
    return seen


@case()
@app.agent
async def chance(ctx: Context[Deps]) -> list[Any]:
    seen: list[Any] = [ctx.random.random(), str(ctx.uuid()), ctx.random.sample(range(100), 5), ctx.now().isoformat()]
    seen.append(await ctx.step(said, str(ctx.uuid())))

    async def branch(name: str) -> list[Any]:
        await ctx.step(said, name)
        return [name, ctx.random.random(), str(ctx.uuid())]

    return [*seen, list(await ctx.map(branch, ["a", "b"], key=str)), ctx.random.getrandbits(64)]


# -- tasks


@case()
@app.agent
async def tasks(ctx: Context[Deps]) -> list[Any]:
    seen: list[Any] = [await asyncio.gather(ctx.step(said, "a"), ctx.step(in_thread, 1), asyncio.sleep(1, "slept"))]
    lock, queue = asyncio.Lock(), asyncio.Queue[str]()

    async def works(name: str) -> str:
        async with lock:
            await asyncio.sleep(1)
            await queue.put(await ctx.step(said, name))
        return name

    async with asyncio.TaskGroup() as group:
        begun = [group.create_task(works(name)) for name in ("x", "y", "z")]
    seen += [[task.result() for task in begun], [queue.get_nowait() for _ in begun]]

    async def sinks(after: float) -> None:
        await asyncio.sleep(after)
        await ctx.step(broken, "sunk")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(sinks(1))
            group.create_task(works("cancelled with it"))
            group.create_task(asyncio.sleep(99))
    except* StepFailed as errors:
        seen.append([str(error) for error in errors.exceptions])
    racers = {asyncio.create_task(works(name)) for name in ("p", "q", "r")}
    done, pending = await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    seen += [[task.result() for task in done], len(await asyncio.gather(*pending, return_exceptions=True))]
    endless_step = asyncio.create_task(wrapped(ctx.step(slow)))
    seen.append(await ctx.step(said, "fast"))
    endless_step.cancel()
    return [*seen, len(await asyncio.gather(endless_step, return_exceptions=True))]
