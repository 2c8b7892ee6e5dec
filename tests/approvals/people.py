"""Who decides in these tests, and the agents that ask them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from holdfast import App, Approved, Client, Context, Decision, Expired, Person, Rejected, Responded
from holdfast.clock import Clock
from holdfast.runtime import open_store

ADA = Person(name="ada", roles=frozenset({"admin"}))
ANN = Person(name="ann", roles=frozenset({"adjuster"}))
BOB = Person(name="bob", roles=frozenset({"adjuster"}))
LEA = Person(name="lea", roles=frozenset({"lead"}))
REV = Person(name="rev", roles=frozenset({"reviewer"}))
EVE = Person(name="eve")


def told(decision: Decision[Any]) -> str:
    """A decision in a word or two."""
    match decision:
        case Approved(edited=edited, by=by):
            return f"{'edited' if edited else 'approved'} by {by}"
        case Rejected(reason=reason, by=by):
            return f"rejected by {by}: {reason}"
        case Responded(text=text, by=by):
            return f"{by} says {text}"
        case Expired():
            return "expired"


def till(app: App[None], **fixed: Any) -> tuple[Any, Any]:
    """A tool that pays, and an agent that asks before; what it returns tells what became of it."""

    @app.tool
    async def pay(claim_id: str, amount: float) -> str:
        return f"paid {amount:g} on {claim_id}"

    @app.agent
    async def settle(ctx: Context, claim_id: str, options: dict[str, Any]) -> str:
        decision = await ctx.approve(pay(claim_id, 100.0), because="it is covered", **options, **fixed)
        if isinstance(decision, Approved):
            return await decision.value
        return told(decision)

    return pay, settle


@asynccontextmanager
async def no_worker(app: App[None], url: str, clock: Clock) -> AsyncIterator[Client]:
    """A client of a store that nobody works on."""
    store = await open_store(url)
    try:
        yield Client(store, app.catalog, clock)
    finally:
        await store.close()
