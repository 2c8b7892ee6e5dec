"""Invariant 8: clock, randomness, ids and answers that agent code saw are journaled, never re-evaluated.

The same run is taken up again and again, by other workers and days later; each time its body observes, up to where it
had come, what it observed before.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import App, Context

app = App("invariant-8")
stays: list[list[Any]] = []
"""What the body observed, by activation: it writes into the process, which replay does not undo."""


async def count(number: int) -> int:
    return number


@app.tool
async def pay(number: int) -> int:
    return number


@app.agent
async def looking(ctx: Context) -> list[Any]:
    seen: list[Any] = []
    stays.append(seen)

    def look() -> None:
        elapsed = asyncio.get_running_loop().time()
        seen.append((ctx.now(), ctx.random.random(), ctx.random.getrandbits(40), ctx.uuid(), elapsed))

    async def branch(number: int) -> list[str]:
        begun = ctx.now()
        await asyncio.sleep(number)
        return [str(begun), str(ctx.now()), str(ctx.uuid()), str(ctx.random.random())]

    look()
    for turn in range(6):
        # asked before anything of that name is recorded; the answer must not change once it is
        seen.append(("changed", ctx.changed("pay")))
        await pay(turn)
        await asyncio.gather(asyncio.sleep(turn), ctx.step(count, turn), ctx.promise(f"go-{turn}", int))
        look()
        seen.append(list(await ctx.map(branch, [1, 2], key=str)))
        look()
    return [str(one) for one in seen]


@pytest.mark.parametrize("always_suspend", [False, True], ids=["crashed", "evicted and crashed"])
def test_a_body_that_is_taken_up_again_sees_what_it_saw(always_suspend: bool) -> None:
    asyncio.run(taken_up_again(always_suspend))


async def taken_up_again(always_suspend: bool) -> None:
    stays.clear()
    async with app.test(always_suspend=always_suspend) as t:
        run = await t.start(looking())
        for turn in range(6):
            await t.advance("1h")
            await t.crash()
            await t.advance("9d")
            await t.resolve(f"{run.id}/go-{turn}", turn)
        assert await run.result() == [str(one) for one in stays[-1]]
        assert len(stays) > 6
        assert max(len(seen) for seen in stays) == 1 + 6 * 4
        longest = max(stays, key=len)
        assert all(seen == longest[: len(seen)] for seen in stays)
        assert len({seen[3] for seen in longest if len(seen) == 5}) == 1 + 6 * 2  # each id is another


def test_two_runs_of_the_same_call_see_different_things() -> None:
    async def two() -> None:
        stays.clear()
        async with app.test() as t:
            runs = [await t.start(looking()) for _ in range(2)]
            for turn in range(6):
                for run in runs:
                    await t.resolve(f"{run.id}/go-{turn}", turn)
            for run in runs:
                await run.result()
            firsts = {seen[0][1:4] for seen in stays}
            assert len(firsts) == 2

    asyncio.run(two())
