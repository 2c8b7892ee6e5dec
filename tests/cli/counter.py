"""An app whose agents ask people. The tests copy it into an empty folder and import it from there."""

import os
from dataclasses import dataclass
from pathlib import Path

from holdfast import App, Approved, Context, Rejected, Responded

app = App("counter")
LEDGER = Path(os.environ.get("SHOP_LEDGER", os.devnull))


@dataclass
class Plan:
    title: str
    steps: list[str]


def look(claim: str) -> str:
    return f"{claim} was damaged"


@app.tool
def pay(claim: str, amount: float) -> str:
    with LEDGER.open("a") as ledger:
        ledger.write(f"paid {claim} {amount:g}\n")
    return f"paid {amount:g}"


@app.agent
async def settle(ctx: Context, claim: str, amount: float, risk: int = 10, quorum: int = 1) -> str:
    """Pays if a person approves."""
    found = await ctx.step(look, claim)
    asked = ctx.approve(
        pay(claim, amount), because=f"{found}\x1b[2J", to="role:adjuster", risk=risk, quorum=quorum, confidence=0.8
    )
    match await asked:
        case Approved(value=payment, by=by):
            return f"{await payment}, approved by {by}"
        case Rejected(reason=reason, by=by):
            return f"rejected by {by}: {reason}"
        case Responded(text=text):
            return f"told: {text}"
    return "nobody"


@app.agent
async def count(ctx: Context) -> int:
    """Asks a question."""
    return await ctx.ask("How many units?", int, to="role:adjuster")


@app.agent
async def plan(ctx: Context) -> str:
    """Asks about a value."""
    match await ctx.approve(Plan("repair", ["dry", "paint"]), to="role:adjuster"):
        case Approved(value=approved):
            return " then ".join(approved.steps)
    return "no plan"
