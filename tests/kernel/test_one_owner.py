"""No run has two live owners (2); what was started survives (5); what was awaited is durable at once (1)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from holdfast import App, Context, Settings
from holdfast.durable.effects import Effects
from holdfast.errors import LeaseLost
from tests.kernel.making import World, journal


@pytest.mark.parametrize("always_suspend", [False, True])
async def test_a_stale_owners_writes_fail_whole_and_it_stops(app: App, world: World, always_suspend: bool) -> None:
    """Its lease ended while a step was at work: another worker takes the run, and one outcome is recorded."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        number = world.done.count("slow")
        world.done.append("slow")
        begun.set()
        if number == 0:
            await go.wait()
        return f"attempt {number}"

    @app.agent
    async def body(ctx: Context) -> list[str]:
        return [await ctx.step(slow), await ctx.step(world.do, "after")]

    async with app.test(always_suspend=always_suspend) as t:
        run = await t.start(body())
        await begun.wait()
        stale = t.worker
        await t.store.release(stale.id)  # its lease has ended, and it does not know
        t.worker = t._new_worker()
        await t.worker.start()
        assert await run.result() == ["attempt 1", "after"]
        go.set()
        async with asyncio.timeout(60):
            while stale.active:  # noqa: ASYNC110  # it says so to nobody
                await asyncio.sleep(0.001)
        entries = await journal(t, run)
        assert [entry.seq for entry in entries] == [1, 2]
        await stale.stop()
    assert world.done == ["slow", "slow", "after"]


@pytest.mark.parametrize("in_a_map", [False, True])
async def test_a_step_that_stood_in_line_until_the_lease_had_ended_is_no_failure(
    app: App, world: World, monkeypatch: pytest.MonkeyPatch, in_a_map: bool
) -> None:
    """It waited for a thread, and by then the lease had ended for a moment: the run goes on elsewhere."""
    at_work, go_on = threading.Event(), threading.Event()

    def first() -> str:
        at_work.set()
        assert go_on.wait(60)
        return "first"

    def second(item: str = "") -> str:
        world.done.append("second")
        return "second"

    @app.agent
    async def holds_the_thread(ctx: Context) -> str:
        return await ctx.step(first)

    @app.agent
    async def stands_in_line(ctx: Context) -> list[str]:
        if in_a_map:
            return list(await ctx.map(second, ["item"], key=str, checkpoint_every=10))
        return [await ctx.step(second)]

    async with app.test(settings=Settings(threads=1)) as t:
        other = await t.start(holds_the_thread())
        assert await asyncio.to_thread(at_work.wait, 60)
        run, worker = await t.start(stands_in_line()), t.worker
        was, line = worker.id, worker._pool._work_queue
        while not line.qsize():  # noqa: ASYNC110  # a queue says so to nobody
            await asyncio.sleep(0.001)
        monkeypatch.setattr(worker._effects, "may_begin", lambda: False)
        go_on.set()
        assert await run.result() == ["second"]
        assert await other.result() == "first"
        assert worker.id != was, "it has joined again"
    assert world.done == ["second"]


async def test_a_worker_that_leaves_to_join_again_may_be_stopped_meanwhile(app: App) -> None:
    async with app.test() as t:
        lease = t.worker._lease
        await asyncio.gather(*(asyncio.to_thread(lease.stop) for _ in range(4)))


async def test_two_workers_never_execute_one_run_at_once(app: App, world: World) -> None:
    at_work: set[str] = set()

    async def alone(run_id: str, n: int) -> None:
        assert run_id not in at_work
        at_work.add(run_id)
        await asyncio.sleep(0.001)
        at_work.discard(run_id)
        world.done.append(f"{run_id} {n}")

    @app.agent
    async def body(ctx: Context) -> None:
        for n in range(5):
            await ctx.step(alone, ctx.run_id, n)
            await asyncio.sleep(1)

    async with app.test(always_suspend=True, settings=Settings(concurrency=3)) as t:
        others = [t._new_worker() for _ in range(3)]
        for other in others:
            await other.start()
        runs = [await t.start(body()) for _ in range(20)]
        for run in runs:
            await run.result()
        assert len({one.worker for run in runs for one in await t.activations(run.id)}) > 1, "several took part"
        for other in others:
            await other.stop()
    assert len(world.done) == len(set(world.done)) == 100


STARTER = """
import asyncio, os, sys
from holdfast import App, Context, Settings
app = App("starter")

@app.agent
async def job(ctx: Context, n: int) -> int:
    return n * 2

async def main():
    async with app.connect(sys.argv[1]) as client:
        one = await client.start(job(21), key="k")
        many = await client.start_all([job(n) for n in range(10)])
        print(one.id, flush=True)
        os.kill(os.getpid(), 9)  # as soon as start() has returned

asyncio.run(main())
"""


def test_a_run_whose_start_returned_survives_the_starters_death(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/started.db"
    died = subprocess.run([sys.executable, "-c", STARTER, url], capture_output=True, text=True)
    assert died.returncode == -9, died.stderr
    app: App[None] = App("starter")

    @app.agent
    async def job(ctx: Context, n: int) -> int:
        return n * 2

    async def main() -> None:
        async with app.open(url) as runtime:
            run = await runtime.get(died.stdout.strip())
            assert await run.result() == 42
            assert (await runtime.start(job(21), key="k")).id == run.id, "the same key never starts a second run"
            assert sorted([await (await runtime.get(one.id)).result() for one in await runtime.find()]) == sorted(
                [42, *(n * 2 for n in range(10))]
            )

    asyncio.run(main())


async def test_what_was_awaited_is_durable_before_what_follows_begins(app: App, world: World) -> None:
    """Each step looks into the store from outside the worker: all that came before it is there."""
    seen: list[list[str]] = []

    @app.agent
    async def child(ctx: Context) -> str:
        return "child"

    @app.agent
    async def body(ctx: Context) -> None:
        async def look() -> None:
            seen.append([entry.key async for entry in t.journal(ctx.run_id)])

        promise = ctx.promise("go", bool)
        await ctx.step(world.do, "a")
        await ctx.step(look)
        await child()
        await ctx.step(look)
        await asyncio.sleep(60)
        await ctx.step(look)
        await promise
        await ctx.step(look)

    async with app.test() as t:
        run = await t.start(body())
        await t.quiet()
        await t.resolve(f"{run.id}/go", True)
        await run.result()
    first, second, third, fourth = seen
    assert "World.do#1" in first and "go" in first
    assert "child#1" in second and "~fired" in third
    assert fourth.count("go") == 2, "declared and resolved"
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(seen))


def add(n: int) -> int:
    return n + 1


@pytest.mark.parametrize("mapped", [False, True])
async def test_a_step_that_could_not_begin_for_want_of_a_lease_has_no_outcome(
    app: App, monkeypatch: pytest.MonkeyPatch, mapped: bool
) -> None:
    check, late = Effects._check_lease, [True]  # a lease that was let go, and came back

    def check_late(effects: Effects) -> None:
        if late.pop() if late else False:
            raise LeaseLost("the worker's lease has ended: nothing may begin any more")
        check(effects)

    monkeypatch.setattr(Effects, "_check_lease", check_late)

    @app.agent
    async def count(ctx: Context) -> list[int]:
        if mapped:
            return list(await ctx.map(add, [1, 2], checkpoint_every=2, key=str))
        return [await ctx.step(add, 1), await ctx.step(add, 2)]

    async with app.test() as t:
        run = await t.start(count())
        assert await run.result() == [2, 3]
        assert not late
