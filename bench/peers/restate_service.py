"""The Restate service that ``with_restate.py`` calls; served by Hypercorn, as Restate's documentation says."""

from __future__ import annotations

import restate
from report import PAYLOAD

bench = restate.Service("bench")


async def work(number: int) -> str:
    """A step that costs nothing itself."""
    return PAYLOAD


@bench.handler()
async def sequence(ctx: restate.Context, steps: int) -> int:
    """So many steps, one after the other."""
    for number in range(steps):
        await ctx.run_typed("work", work, number=number)
    return steps


app = restate.app(services=[bench])
