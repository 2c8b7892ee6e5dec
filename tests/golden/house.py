"""What the golden agents are made with: the app, its deps, how a run is recorded, and the steps that several call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from holdfast import App, Call, ToolContext
from holdfast.testing import Rig, RigRun


class Desk:
    """A client."""

    async def ask(self, text: str) -> str:
        return f"{text}?"


@dataclass
class Deps:
    """What the lifespan yields; replays get by without it."""

    desk: Desk = field(default_factory=Desk)
    rate: float = 0.5


@asynccontextmanager
async def lifespan() -> AsyncIterator[Deps]:
    yield Deps()


app = App("golden", lifespan=lifespan)
Act = Callable[[Rig, RigRun[Any]], Awaitable[object]]


class Case(NamedTuple):
    """A run to be recorded: what is called, and what others do to it."""

    call: Call[Any]
    act: Act


cases: dict[str, Callable[[], Case]] = {}


async def to_its_end(t: Rig, run: RigRun[Any]) -> None:
    await asyncio.gather(run.result(), return_exceptions=True)


def case(*args: Any, act: Act = to_its_end, timeout: str | None = None) -> Callable[[Any], Any]:
    """Record a run of the agent with these arguments."""

    def keep(agent: Any) -> Any:
        def make() -> Case:
            call = agent(*args)
            return Case(call if timeout is None else call.using(timeout=timeout), act)

        cases[agent.name] = make
        return agent

    return keep


async def said(text: str) -> str:
    return f"{text}!"


def in_thread(number: int) -> int:
    return number * 2


async def many_words(count: int) -> list[str]:
    return [f"word {number}" for number in range(count)]


async def broken(name: str) -> str:
    raise ValueError(name, 7)


async def slow() -> None:
    await asyncio.sleep(60)


async def wrapped(call: Call[Any]) -> Any:
    return await call


@app.tool
async def pay(ctx: ToolContext[Deps], to: str, amount: Decimal) -> str:
    return f"{await ctx.deps.desk.ask(to)} got {amount}"
