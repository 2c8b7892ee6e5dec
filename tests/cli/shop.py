"""An app for the command to work on. The tests copy it into an empty folder and import it from there."""

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from holdfast import App, Context

app = App("shop")
not_an_app = 7
log = logging.getLogger("shop")
LEDGER = Path(os.environ.get("SHOP_LEDGER", os.devnull))


@dataclass
class Order:
    id: str
    amount: float = 1.0


def note(text: str) -> str:
    log.info("noting %s", text)
    with LEDGER.open("a") as ledger:
        ledger.write(f"{text}\n")
    return text


def flaky(marker: str) -> str:
    log.info("trying")
    if not Path(marker).exists():
        Path(marker).touch()
        raise ConnectionError("not yet")
    return "done"


def wait_for_file(path: str) -> str:
    note("began")
    while not Path(path).exists():
        time.sleep(0.01)  # a step that is at work until the test, another process, lets it end
    return note("ended")


def never_ends(path: str) -> None:
    note("began")
    while not Path(path).exists():
        time.sleep(0.01)  # a thread that nothing can interrupt is what is tested


@app.tool
async def pay(order: str) -> str:
    return note(f"paid {order}")


def times_noted(text: str) -> int:
    return LEDGER.read_text().count(text)


async def take_its_time() -> None:
    note("began")
    if times_noted("began") == 1:
        await asyncio.sleep(3600)  # for as long as the worker lives
    note("ended")


def in_and_out(name: str) -> None:
    note(f"in {name}")
    time.sleep(0.05)  # it is the work
    note(f"out {name}")


@app.agent
async def patient(ctx: Context) -> None:
    """A step that takes longer than anybody waits, the first time."""
    await ctx.step(take_its_time)


@app.agent
async def nap(ctx: Context, seconds: float) -> None:
    """A timer."""
    await asyncio.sleep(seconds)


@app.agent(limit=2)
async def limited(ctx: Context, name: str) -> None:
    """One of which not many may be at work."""
    await ctx.step(in_and_out, name)


@app.agent
async def price(ctx: Context, order: Order, rate: float = 2.0) -> dict[str, float]:
    """One step, and progress."""
    ctx.progress(1, 3, "pricing [red]it[/red]\x1b[31m")
    await ctx.step(note, order.id)
    return {order.id: order.amount * rate}


@app.agent
async def price_all(ctx: Context, names: list[str]) -> int:
    """A map of steps, a child, a timer."""
    noted = await ctx.map(note, names, key=str)
    await price(Order(noted[0]))
    await asyncio.sleep(0.001)
    return len(noted)


@app.agent
async def fail(ctx: Context, why: str) -> None:
    raise ValueError(f"{why} \x1b[31mred")


@app.agent
async def ask(ctx: Context) -> str:
    return f"answered {await ctx.promise('answer', bool)}"


@app.agent
async def retry(ctx: Context, marker: str) -> str:
    log.info("first")
    await ctx.promise("go", bool)  # it leaves memory
    log.info("second")
    return await ctx.step(flaky, marker).using(retries=1, backoff="10ms")


@app.agent
async def hold(ctx: Context, path: str) -> str:
    await ctx.step(note, "first")
    await ctx.step(wait_for_file, path)
    return await ctx.step(note, "last")


@app.agent
async def stuck(ctx: Context, path: str) -> None:
    await ctx.step(never_ends, path)


@app.agent
async def settle(ctx: Context) -> str:
    """Its code no longer fits its journal where SHOP_BROKEN is set."""
    if "SHOP_BROKEN" not in os.environ:
        await pay("o-1")
    return f"settled {await ctx.promise('go', bool)}"
