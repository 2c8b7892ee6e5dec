"""A workload of every kind of body. Its results depend on its inputs only, however often its workers die."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from holdfast import App, Call, Client, Context, OutcomeUnknown, Run, RunBlocked, RunFailed, Status, StepFailed
from holdfast.errors import WrongState
from holdfast.store.base import RunFilter
from tests.crash.ledger import noted
from tests.crash.place import Place

app = App("mixed")
UNKNOWN = "unknown"

# -- steps


async def add(a: int, b: int) -> int:
    with noted():
        await asyncio.sleep(0.003)
        return a + b


def double(a: int) -> int:
    with noted():
        return 2 * a


async def flaky(a: int) -> int:
    with noted() as times:
        if times < 3:
            raise ConnectionError(f"attempt {times}")
        return a + 1


async def refuse(a: int) -> int:
    with noted():
        raise ValueError(f"never {a}")


async def charge(amount: int) -> str:
    with noted():
        await asyncio.sleep(0.01)
        return f"charged {amount}"


@app.tool
async def pay(name: str, amount: int) -> str:
    with noted():
        return f"{name} paid {amount}"


# -- bodies


@app.agent
async def sequence(ctx: Context, n: int) -> int:
    total = n
    for _ in range(6):
        total = await ctx.step(add, total, 1)
    return total


@app.agent
async def fan(ctx: Context, n: int) -> list[int]:
    firsts = await asyncio.gather(*(ctx.step(add, n, i) for i in range(4)))
    return [*firsts, await ctx.step(double, sum(firsts))]


@app.agent
async def items(ctx: Context, n: int) -> list[int]:
    singly = await ctx.map(double, range(n, n + 5), key=str, concurrency=2)
    chunked = await ctx.map(add_ten, range(n, n + 6), key=str, checkpoint_every=3)
    return [*singly, *chunked]


async def add_ten(a: int) -> int:
    return await add(a, 10)


@app.agent
async def branches(ctx: Context, n: int) -> list[int]:
    async def branch(i: int) -> int:
        first = await ctx.step(add, n, i)
        await asyncio.sleep(0.01)
        return await ctx.step(double, first)

    pairs = [pair async for pair in ctx.map(branch, range(4), key=str, concurrency=2)]
    return [value for _, value in sorted(pairs)]  # they come as they finish, and that is chance


@app.agent
async def grow(ctx: Context, n: int) -> int:
    return await ctx.step(double, await ctx.step(add, n, 1))


@app.agent
async def brood(ctx: Context, n: int) -> list[int]:
    return list(await ctx.map(grow, range(n, n + 4), key=str, concurrency=2))


@app.agent
async def parent(ctx: Context, n: int) -> list[int]:
    started = await ctx.start(grow(n))
    awaited = await grow(n + 1)
    return [awaited, await started.result(), await ctx.step(add, awaited, n)]


@app.agent
async def sleeper(ctx: Context, n: int) -> int:
    first = await ctx.step(add, n, 1)
    await asyncio.sleep(0.02)
    second = await ctx.step(add, first, 1)
    await asyncio.sleep(0.2)  # beyond the linger: leaves memory
    return await ctx.step(double, second)


@app.agent
async def asker(ctx: Context, n: int) -> int:
    answer = ctx.promise("answer", int)
    shown = await ctx.step(add, n, 1)
    try:
        async with asyncio.timeout(0.02):
            await ctx.promise("never", int)
    except TimeoutError:
        shown += 1
    return await ctx.step(add, shown, await answer)


@app.agent
async def stubborn(ctx: Context, n: int) -> list[Any]:
    tried = await ctx.step(flaky, n).using(retries=5, backoff="5ms")
    try:
        await ctx.step(refuse, n).using(retries=1, backoff="5ms")
    except StepFailed as failed:
        return [tried, failed.type_name, failed.message]
    return []


@app.agent
async def careful(ctx: Context, n: int) -> list[str]:
    before = await pay("ann", n)
    try:
        charged = await ctx.step(charge, n).using(effect="at_most_once")
    except OutcomeUnknown:
        charged = UNKNOWN
    return [before, charged, await pay("bob", n)]


@app.agent
async def endless(ctx: Context, n: int, rounds: int = 0) -> int:
    total = await ctx.step(add, n, rounds)
    await asyncio.sleep(0.005)
    if rounds < 3:
        await ctx.continue_as(endless(total, rounds + 1))
    return total


@app.agent
async def loser(ctx: Context, n: int) -> int:
    await ctx.step(add, n, 1)
    raise LookupError(f"{n} loses")


BODIES = (sequence, fan, items, branches, brood, parent, sleeper, asker, stubborn, careful, endless, loser)

# -- what a process does with them


@dataclass(frozen=True, slots=True)
class Job:
    """A run to be started."""

    key: str
    body: str
    n: int

    def call(self) -> Call[Any]:
        """A fresh call: each is used once."""
        body: Any = next(body for body in BODIES if body.name == self.body)
        return body(self.n)


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended."""

    value: Any = None
    error: str = ""


def jobs(count: int) -> list[Job]:
    """So many, of all bodies in turn."""
    bodies = itertools.islice(itertools.cycle(BODIES), count)
    return [Job(f"{body.name}-{n}", body.name, n) for n, body in enumerate(bodies)]


async def start(runtime: Client, wanted: Sequence[Job], place: Place) -> list[Run[Any]]:
    """Start runs one by one, and note each as soon as start() has returned; answer what they ask."""
    handles = []
    for job in wanted:
        handle = await runtime.start(job.call(), key=job.key)
        place.accept(job.key, handle.id)
        handles.append(handle)
        if job.body == "asker":
            # Some are answered before they ask, some while they wait, some after they have left memory.
            asyncio.get_running_loop().call_later(job.n % 3 * 0.05, _answer, runtime, handle.id, job.n)
    return handles


_answers: set[asyncio.Task[bool]] = set()


def _answer(runtime: Client, run_id: str, n: int) -> None:
    task = asyncio.get_running_loop().create_task(runtime.resolve(f"{run_id}/answer", n * 7))
    _answers.add(task)
    task.add_done_callback(_answers.discard)


async def finish(place: Place, wanted: Sequence[Job], runtime: Client) -> None:
    """Start runs, those that exist as well, wait for the end of each, and note how they ended."""
    handles = await start(runtime, wanted, place)
    async with asyncio.TaskGroup() as group:
        acquitting = group.create_task(_acquit(runtime))
        results = [await _result_of(handle) for handle in handles]
        acquitting.cancel()
    place.note({job.key: asdict(result) for job, result in zip(wanted, results, strict=True)})


async def _acquit(client: Client) -> None:
    """Clear runs, children too, of the suspicion of the kill before this life, if it was their third."""
    while True:
        for run in await client.find(RunFilter(statuses=(Status.BLOCKED,), limit=1000)):
            assert b"WorkerLost" in (run.error or b""), run
            with suppress(WrongState):  # its parent has ended it meanwhile
                await client.resume(run.id)
        await asyncio.sleep(0.1)


async def _result_of(handle: Run[Any]) -> Result:
    """How a run ends, however often it has to be acquitted."""
    while True:
        try:
            return await result_of(handle)
        except RunBlocked as blocked:
            assert blocked.type_name == "WorkerLost", blocked
            await asyncio.sleep(0.05)


async def result_of(handle: Run[Any]) -> Result:
    """How a run ends."""
    try:
        return Result(value=await handle.result())
    except RunFailed as failed:
        return Result(error=f"{failed.type_name}: {failed.message}")
