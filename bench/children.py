"""Child runs: many parents that start and await them, and one parent with very many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.figure import Figure, Measured
from bench.plan import Plan
from holdfast import App, Context
from holdfast.durable.catalog import Agent
from holdfast.runtime import Runtime

PER_SECOND = 5000
HANDFUL = 10

app = App("bench-children")


@app.agent
async def child(ctx: Context, number: int) -> int:
    """A run that ends at once."""
    return number


@app.agent
async def awaiting(ctx: Context, children: int) -> int:
    """Awaits the calls of its children, all at once."""
    return len(await asyncio.gather(*(child(number) for number in range(children))))


@app.agent
async def mapping(ctx: Context, children: int) -> int:
    """Maps over its children, all at once."""
    return len(await ctx.map(child, range(children), key=str, concurrency=children))


def measure(plan: Plan) -> Iterator[Figure]:
    """The figures."""
    parents, children = plan.count(50, 3), plan.count(200, 5)
    for agent, how in ((awaiting, "awaited with gather"), (mapping, "in ctx.map")):
        yield _many_parents(plan, agent, parents=parents, children=children, how=how)
    yield from _one_parent(plan, children=plan.count(10_000, 50))


def _many_parents(plan: Plan, agent: Agent[[int], int], *, parents: int, children: int, how: str) -> Figure:
    async def once(folder: Path) -> float:
        async with _warm(folder) as runtime:
            begun = time.perf_counter()
            for run in await runtime.start_all([agent(children) for _ in range(parents)]):
                assert await run.result() == children
            return parents * children / (time.perf_counter() - begun)

    (rate,) = plan.interleaved(lambda folder: asyncio.run(once(folder)))
    name = f"{children} children each of {parents} parents, {how}"
    return Measured(name=name, value=rate, unit="children/s", note="started and awaited").above(PER_SECOND)


def _one_parent(plan: Plan, *, children: int) -> Iterator[Figure]:
    async def once(folder: Path) -> tuple[float, int]:
        async with _warm(folder) as runtime:
            begun = time.perf_counter()
            run = await runtime.start(mapping(children))
            assert await run.result() == children
            return time.perf_counter() - begun, len(await runtime.activations(run.id))

    with plan.folder() as folder:
        seconds, stays = asyncio.run(once(folder))
    name = f"one parent, {children:,} children in ctx.map"
    note = "stays in memory; each but the first replays its journal"
    yield Measured(name=f"{name}: activations", value=stays, unit="activations", note=note).below(HANDFUL)
    yield Measured(name=name, value=children / seconds, unit="children/s").alone()


@asynccontextmanager
async def _warm(folder: Path) -> AsyncIterator[Runtime]:
    async with app.open(str(folder / "children.db")) as runtime:
        for agent in (awaiting, mapping):
            assert await (await runtime.start(agent(2))).result() == 2
        yield runtime
