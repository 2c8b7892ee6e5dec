"""An app whose runs are repaired, forked, moved and deleted. The tests copy it into an empty folder."""

import os
from pathlib import Path

from holdfast import App, Context, Retention

app = App("depot")
strict = App("depot", retention=[Retention(count=0, status="failed"), Retention(age="30d")])  # the same store
FOLDER = Path(os.environ.get("DEPOT", "."))


def note(text: str) -> None:
    with (FOLDER / "ledger").open("a") as ledger:
        ledger.write(f"{text}\n")


def weigh(item: str) -> float:
    note(f"weighed {item}")
    return 2.0


def rate(item: str) -> float:
    """Known once there is a file of rates."""
    if not (FOLDER / "rates").exists():
        raise LookupError(f"no rate for {item}")
    return 10.0


@app.tool
async def book(item: str) -> str:
    note(f"booked {item}")
    return item


@app.agent
async def ship(ctx: Context, item: str) -> str:
    weight = await ctx.step(weigh, item)
    return f"{item} costs {weight * await ctx.step(rate, item)}"


@app.agent
async def order(ctx: Context, item: str) -> str:
    """A child that may fail."""
    return await ship(item)


@app.agent(name="keep", version="3")
async def keep_another(ctx: Context, item: str) -> bool:
    await book(f"another {item}")
    return await ctx.promise("go", bool)


@app.agent(name="keep", version="2")
async def keep_later(ctx: Context, item: str) -> bool:
    print("a body may print")
    await book(item)
    return not await ctx.promise("go", bool)


@app.agent
async def keep(ctx: Context, item: str) -> bool:
    await book(item)
    return await ctx.promise("go", bool)
