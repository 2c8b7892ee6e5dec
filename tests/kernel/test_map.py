"""``ctx.map``: every item is a checkpoint; results come in input order, or as pairs when they finish."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from holdfast import (
    App,
    BadOption,
    CallReused,
    ChildFailed,
    Context,
    DuplicateKey,
    Failure,
    RunBlocked,
    RunFailed,
    StepFailed,
)
from holdfast.store.base import RunFilter
from tests.kernel.making import Deployments, World, result


class AtWork:
    """Counts what is at work at once, in steps."""

    def __init__(self, *, meet: bool = False) -> None:
        self.now = self.most = 0
        self.done: list[int] = []
        self._lock = threading.Lock()
        self._alone = meet  # whoever is at work waits until another is

    async def step(self, n: int) -> int:
        self._enter()
        while self._alone:  # noqa: ASYNC110  # threads end it too
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.002)
        self._leave(n)
        return n * 10

    def sync_step(self, n: int) -> int:
        self._enter()
        while self._alone:
            threading.Event().wait(0.001)
        threading.Event().wait(0.002)
        self._leave(n)
        return n * 10

    def _enter(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self._alone = self._alone and self.most < 2

    def _leave(self, n: int) -> None:
        with self._lock:
            self.now -= 1
            self.done.append(n)


MODES = ["step", "sync step", "method of a partial", "tool", "agent", "branch", "branch by partial"]


def mapping(app: App, mode: str, work: AtWork):
    """An agent that maps over numbers in one of the ways there are."""
    tool = app.tool(work.step)

    @app.agent
    async def child(ctx: Context, n: int) -> int:
        return await ctx.step(work.step, n)

    async def in_context(ctx: Context, n: int) -> int:
        return await ctx.step(work.step, n)

    @app.agent
    async def body(ctx: Context, count: int, concurrency: int = 10) -> list[int]:
        async def branch(n: int) -> int:
            got = await ctx.step(work.step, n)
            await asyncio.sleep(60)
            return got

        fn: Any = {
            "step": work.step,
            "sync step": work.sync_step,
            "method of a partial": functools.partial(work.step),
            "tool": tool,
            "agent": child,
            "branch": branch,
            "branch by partial": functools.partial(in_context, ctx),
        }[mode]
        return list(await ctx.map(fn, range(count), key=str, concurrency=concurrency))

    return body


@pytest.mark.parametrize("mode", MODES)
async def test_results_come_in_input_order_and_no_item_runs_twice(app: App, mode: str) -> None:
    work = AtWork()
    assert await result(app, mapping(app, mode, work)(25)) == [n * 10 for n in range(25)]
    assert sorted(work.done) == list(range(25))


@pytest.mark.parametrize("mode", MODES)
async def test_no_more_run_at_once_than_concurrency_says(app: App, mode: str) -> None:
    work = AtWork(meet=True)
    await result(app, mapping(app, mode, work)(30, 4))
    assert work.most <= 4
    assert work.most >= 2, "but beside each other"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("point", ["committing", "committed", "effect-ended", "ending"])
async def test_after_a_crash_only_what_was_not_recorded_runs_again(app: App, mode: str, point: str) -> None:
    work = AtWork()
    body = mapping(app, mode, work)
    async with app.test() as t:
        t.crash_at(point, nth=3 if point != "ending" else 1)
        assert await (await t.start(body(20, 4))).result() == [n * 10 for n in range(20)]
        assert t.crashes == 1
    assert set(work.done) == set(range(20))
    assert len(work.done) <= 20 + 4, "at most what was at work"


@pytest.mark.parametrize("mode", MODES)
async def test_an_empty_map_gives_an_empty_sequence(app: App, mode: str) -> None:
    assert await result(app, mapping(app, mode, AtWork())(0)) == []


async def test_the_sequence_is_lazy_and_behaves_like_one(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        got = await ctx.map(world.work, [str(n) for n in range(10)], key=str)
        assert isinstance(got, Sequence) and not isinstance(got, list)
        await asyncio.sleep(60)
        assert (len(got), got[0], got[-1], list(got[2:8:3])) == (10, "0", "9", ["2", "5"])
        assert got == [str(n) for n in range(10)] and next(reversed(got)) == "9" and "7" in got
        with pytest.raises(IndexError):
            got[10]
        return "well"

    assert await result(app, body()) == "well"


async def test_pairs_come_as_they_finish(app: App) -> None:
    @app.agent
    async def body(ctx: Context) -> list[tuple[int, str]]:
        async def slow(n: int) -> str:
            await asyncio.sleep(100 - n)
            return f"<{n}>"

        return [(item, value) async for item, value in ctx.map(slow, [1, 3, 2], key=str)]

    assert await result(app, body()) == [(3, "<3>"), (2, "<2>"), (1, "<1>")]


@pytest.mark.parametrize("point", ["committing", "committed", "effect-ended"])
async def test_a_pair_is_durable_before_it_is_seen(app: App, world: World, point: str) -> None:
    """What an activation has seen, its successors see in the same order: nothing is yielded and then lost."""
    seen: list[list[str]] = []

    async def work(n: int) -> str:
        await asyncio.sleep(0.001 * (n % 3))
        return str(n)

    @app.agent
    async def body(ctx: Context) -> list[str]:
        seen.append(got := [])
        async for _, value in ctx.map(work, range(12), key=str, concurrency=3):
            got.append(value)
        await ctx.step(world.do, "end")
        return got

    for nth in (2, 4, 6):
        seen.clear()
        async with app.test() as t:
            t.crash_at(point, nth=nth)
            final = await (await t.start(body())).result()
            assert t.crashes == 1
        assert sorted(final, key=int) == [str(n) for n in range(12)]
        assert all(final[: len(early)] == early for early in seen)


async def test_leaving_the_iteration_stops_the_rest(app: App) -> None:
    work = AtWork()

    @app.agent
    async def body(ctx: Context) -> int:
        async for item, _ in ctx.map(work.step, range(1000), key=str, concurrency=2):
            if item >= 3:
                break
        await asyncio.sleep(60)
        return item

    await result(app, body())
    assert len(work.done) < 20


# -- keys


async def test_two_items_with_one_key_are_refused(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        with pytest.raises(DuplicateKey, match="'b'"):
            await ctx.map(world.work, ["a", "b", "c", "b"], key=str)
        with pytest.raises(DuplicateKey, match="'same'"):
            async for _ in ctx.map(world.do, ["a", "b"], key=lambda _: "same"):
                pass

    await result(app, body())


async def test_a_key_that_is_no_text_is_refused(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        with pytest.raises(BadOption, match="is no text"):
            await ctx.map(world.work, ["a"], key=len)

    await result(app, body())


async def test_odd_keys_do_not_meet(app: App, world: World) -> None:
    odd = ["a/b", "a", "a#1", "a%2Fb", "", " ", "\0", "é"]

    @app.agent
    async def body(ctx: Context) -> list[str]:
        async def branch(text: str) -> str:
            return await ctx.step(world.do, text)

        return list(await ctx.map(branch, odd, key=str))

    assert await result(app, body()) == odd


async def test_items_in_another_order_under_a_run_in_flight_block_it(url: str, world: World) -> None:
    def over(items: list[str]):
        async def body(ctx: Context) -> list[str]:
            first = ctx.map(world.work, items, key=str)
            got = list(await first)
            await ctx.promise("go", bool)
            return got

        return body

    deployments = Deployments(url)
    async with deployments.start(over(["a", "b", "c"])):
        pass
    async with deployments.go_on(over(["b", "a", "c"])) as (_, run):
        with pytest.raises(RunBlocked, match="same order with the same keys"):
            await run.result()
    async with deployments.go_on(over(["a", "b", "c", "d"])) as (t, run):
        await t.resume(run.id)
        assert await run.result() == ["a", "b", "c", "d"], "put back in order, and grown at its end"
    assert sorted(world.done) == ["a", "b", "c", "d"]


# -- failures


@pytest.mark.parametrize("mode", ["step", "agent", "branch"])
async def test_by_default_the_first_failure_is_raised_and_the_rest_is_cancelled(
    app: App, world: World, mode: str
) -> None:
    async def fail_at_3(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        world.done.append(str(n))
        return n

    @app.agent
    async def child(ctx: Context, n: int) -> int:
        return await ctx.step(fail_at_3, n)

    @app.agent
    async def body(ctx: Context) -> None:
        async def branch(n: int) -> int:
            got = await ctx.step(fail_at_3, n)
            await asyncio.sleep(n)
            return got

        fn: Any = {"step": fail_at_3, "agent": child, "branch": branch}[mode]
        with pytest.raises(ChildFailed if mode == "agent" else StepFailed, match="three"):
            await ctx.map(fn, range(500), key=str, concurrency=2)
        await asyncio.sleep(3600)

    async with app.test() as t:
        await (await t.start(body())).result()
        await t.quiet()
        left = [one for one in await t.find(RunFilter(limit=1000)) if not one.status.ended]
        assert left == []
    assert len(world.done) < 50


@pytest.mark.parametrize("mode", ["step", "agent", "branch"])
async def test_collect_puts_a_failure_in_the_place_of_its_item(app: App, mode: str) -> None:
    async def odd(n: int) -> int:
        if n % 2 == 0:
            raise ValueError(f"even {n}")
        return n

    @app.agent
    async def child(ctx: Context, n: int) -> int:
        return await ctx.step(odd, n).using(raises=[ValueError])

    @app.agent
    async def body(ctx: Context) -> list[Any]:
        async def branch(n: int) -> int:
            return await ctx.step(odd, n).using(raises=[ValueError])

        fn: Any = {"step": odd, "agent": child, "branch": branch}[mode]
        got = await ctx.map(fn, range(4), key=lambda n: f"key {n}", on_error="collect")
        await asyncio.sleep(60)
        return [[one.key, one.error] if isinstance(one, Failure) else one for one in got]

    assert await result(app, body()) == [["key 0", "ValueError: even 0"], 1, ["key 2", "ValueError: even 2"], 3]


async def test_pairs_carry_failures_too(app: App) -> None:
    def odd(n: int) -> int:
        if n % 2 == 0:
            raise ValueError("even")
        return n

    @app.agent
    async def body(ctx: Context) -> list[str]:
        return sorted([str(value) async for _, value in ctx.map(odd, range(3), key=str, on_error="collect")])

    assert await result(app, body()) == [
        "1",
        "Failure(key='0', error='ValueError: even')",
        "Failure(key='2', error='ValueError: even')",
    ]


async def test_items_that_raise_while_they_come_fail_the_map(app: App, world: World) -> None:
    def items() -> Iterator[str]:
        yield "a"
        raise OSError("the file ended")

    async def async_items() -> AsyncIterator[str]:
        yield "b"
        raise OSError("the stream ended")

    @app.agent
    async def body(ctx: Context) -> None:
        with pytest.raises(OSError, match="file"):
            await ctx.map(world.work, items(), key=str)
        with pytest.raises(OSError, match="stream"):
            await ctx.map(world.do, async_items(), key=str)

    await result(app, body())


# -- where items come from


@pytest.mark.parametrize("every", [1, 4])
async def test_generators_are_read_only_as_fast_as_items_finish(app: App, every: int) -> None:
    work = AtWork()
    ahead: list[int] = []

    def items() -> Iterator[int]:
        for n in range(40):
            ahead.append(n - len(work.done))
            yield n

    @app.agent
    async def body(ctx: Context) -> list[int]:
        return list(await ctx.map(work.step, items(), key=str, concurrency=4, checkpoint_every=every))

    async with app.test(always_suspend=False) as t:
        assert await (await t.start(body())).result() == [n * 10 for n in range(40)]
        assert max(ahead) <= 4 + every


@pytest.mark.parametrize("mode", ["step", "agent", "branch"])
@pytest.mark.parametrize("crash", [False, True])
async def test_async_generators_may_make_calls_of_their_own(app: App, world: World, mode: str, crash: bool) -> None:
    work = AtWork()

    @app.agent
    async def child(ctx: Context, n: int) -> int:
        return await ctx.step(work.step, n)

    @app.agent
    async def body(ctx: Context) -> list[int]:
        async def pages() -> AsyncIterator[int]:
            for page in range(4):
                await ctx.step(world.do, f"page {page}")
                for n in range(5):
                    yield page * 5 + n
                await asyncio.sleep(60)

        async def branch(n: int) -> int:
            return await ctx.step(work.step, n)

        fn: Any = {"step": work.step, "agent": child, "branch": branch}[mode]
        return list(await ctx.map(fn, pages(), key=str, concurrency=3))

    async with app.test() as t:
        if crash:
            t.crash_at("committed", nth=7)
        assert await (await t.start(body())).result() == [n * 10 for n in range(20)]
    assert world.done == [f"page {n}" for n in range(4)]
    assert len(work.done) <= 20 + (3 if crash else 0)


# -- chunks


async def test_with_checkpoint_every_30_at_most_the_current_chunk_is_lost(app: App) -> None:
    work = AtWork()

    @app.agent
    async def body(ctx: Context) -> list[int]:
        return list(await ctx.map(work.step, range(200), key=str, checkpoint_every=30, concurrency=10))

    for point, nth in (("committing", 3), ("committed", 3), ("effect-ended", 4)):
        work.done.clear()
        async with app.test() as t:
            t.crash_at(point, nth=nth)
            run = await t.start(body())
            assert await run.result() == [n * 10 for n in range(200)]
            assert t.crashes == 1
        assert set(work.done) == set(range(200))
        assert len(work.done) - 200 <= 30
        repeated = {n for n in work.done if work.done.count(n) > 1}
        assert len({n // 30 for n in repeated}) <= 1, "all of one chunk"


async def test_a_chunk_of_30_is_one_commit(app: App) -> None:
    work = AtWork()

    @app.agent
    async def body(ctx: Context) -> int:
        return len(await ctx.map(work.step, range(300), key=str, checkpoint_every=30, concurrency=30))

    async with app.test(always_suspend=False) as t:
        before = t.worker.commits
        assert await (await t.start(body())).result() == 300
        assert t.worker.commits - before <= 12


async def test_chunks_collect_their_failures_too(app: App) -> None:
    def odd(n: int) -> int:
        if n % 7 == 0:
            raise ValueError("seven")
        return n

    @app.agent
    async def body(ctx: Context) -> list[int]:
        got = await ctx.map(odd, range(100), key=str, checkpoint_every=30, on_error="collect")
        return [n for n, one in enumerate(got) if isinstance(one, Failure)]

    assert await result(app, body()) == list(range(0, 100, 7))


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"checkpoint_every": 0}, {"on_error": "ignore"}], ids=str)
async def test_options_that_make_no_sense_are_refused(app: App, world: World, options: dict[str, Any]) -> None:
    @app.agent
    async def body(ctx: Context) -> None:
        with pytest.raises(BadOption):
            ctx.map(world.do, ["a"], key=str, **options)

    await result(app, body())


async def test_what_cannot_be_mapped_is_refused(app: App, world: World) -> None:
    tool = app.tool(world.pay)

    @app.agent
    async def child(ctx: Context, what: str) -> str:
        return what

    @app.agent
    async def body(ctx: Context) -> None:
        async def branch(what: str) -> str:
            return what

        for fn in (tool, child, branch):
            with pytest.raises(BadOption, match="checkpoint_every above 1 takes a plain function"):
                ctx.map(fn, ["a"], key=str, checkpoint_every=2)
        with pytest.raises(BadOption, match="lambda"):
            ctx.map(lambda what: what, ["a"], key=str)
        used = ctx.map(world.do, ["a"], key=str)
        await used
        with pytest.raises(CallReused):
            await used

    await result(app, body())


# -- branches


async def test_a_branch_speaks_by_its_return_value_only(app: App) -> None:
    """Awaiting what belongs to the outer body would not replay once the branch has finished: it raises."""

    @app.agent
    async def body(ctx: Context) -> list[str]:
        future = asyncio.get_running_loop().create_future()
        lock, queue, event = asyncio.Lock(), asyncio.Queue[int](), asyncio.Event()
        task = asyncio.create_task(asyncio.sleep(60, "outer"))
        await lock.acquire()
        with pytest.raises(TimeoutError):  # the outer body has waited for each of them
            async with asyncio.timeout(1):
                await asyncio.gather(lock.acquire(), queue.get(), event.wait())

        waits = {
            "future": lambda: future,
            "task": lambda: task,
            "lock": lock.acquire,
            "queue": queue.get,
            "event": event.wait,
            "waited for": lambda: asyncio.wait([task]),
            "gathered": lambda: asyncio.gather(task, future),
            "shielded": lambda: asyncio.shield(task),
        }

        async def branch(name: str) -> str:
            await waits[name]()
            return "went through"

        got = await ctx.map(branch, list(waits), key=str, on_error="collect")
        assert await task == "outer", "the outer body is none the worse for it"
        return [one.error if isinstance(one, Failure) else one for one in got]

    async with app.test() as t:
        said = await (await t.start(body())).result()
    assert len(said) == 8
    for one in said:
        assert "different loop" in one or "different event loop" in one or "by its return value only" in one


async def test_branches_nest_and_have_scopes_of_their_own(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> list[list[str]]:
        async def outer(a: str) -> list[str]:
            async def inner(b: str) -> str:
                await asyncio.sleep(10)
                return await ctx.step(world.do, f"{a}{b}")

            first = await ctx.step(world.do, a)
            return [first, *await ctx.map(inner, ["x", "y"], key=str)]

        return list(await ctx.map(outer, ["1", "2"], key=str))

    for nth in (1, 4, 7):
        world.done.clear()
        async with app.test() as t:
            t.crash_at("committed", nth=nth)
            assert await (await t.start(body())).result() == [["1", "1x", "1y"], ["2", "2x", "2y"]]
        assert set(world.done) == {"1", "2", "1x", "1y", "2x", "2y"}
        assert len(world.done) <= 6 + 4, "at most what was at work"


async def test_finished_branches_do_not_run_again(app: App, world: World) -> None:
    entered: list[int] = []

    @app.agent
    async def body(ctx: Context) -> list[int]:
        async def branch(n: int) -> int:
            entered.append(n)
            await asyncio.sleep(n)
            return n

        return list(await ctx.map(branch, [1, 10_000, 20_000], key=str))

    async with app.test(always_suspend=True) as t:
        run = await t.start(body())
        await t.advance("15000s")
        entered.clear()
        await t.crash()
        assert await run.result() == [1, 10_000, 20_000]
    assert set(entered) == {20_000}


async def test_chance_and_ids_differ_between_branches_and_replay_alike(app: App, world: World) -> None:
    @app.agent
    async def body(ctx: Context) -> list[str]:
        async def branch(n: int) -> str:
            await asyncio.sleep(n + 1)
            return f"{ctx.random.random()} {ctx.uuid()}"

        return [str(ctx.uuid()), *await ctx.map(branch, range(5), key=str)]

    got = await result(app, body(), always_suspend=True)
    assert len(set(got)) == 6


# -- many


@pytest.mark.parametrize("every", [1, 30])
async def test_five_thousand_items(app: App, every: int) -> None:
    calls = [0]

    async def work(n: int) -> int:
        calls[0] += 1
        return n * 2

    @app.agent
    async def body(ctx: Context) -> int:
        return sum(await ctx.map(work, range(5000), key=str, concurrency=200, checkpoint_every=every))

    async with app.test() as t:
        t.crash_at("committing", nth=10)
        run = await t.start(body())
        assert await run.result() == sum(range(0, 10_000, 2))
        assert (await run.info()).entries == 0, "items are rows of their own, not entries of the journal"
    assert calls[0] <= 5000 + 200 + 30


async def test_a_map_that_nobody_catches_fails_its_run(app: App) -> None:
    def fail(n: int) -> int:
        raise ValueError(f"item {n}")

    @app.agent
    async def body(ctx: Context) -> None:
        await ctx.map(fail, [7], key=str)

    with pytest.raises(RunFailed, match="item 7"):
        await result(app, body())
