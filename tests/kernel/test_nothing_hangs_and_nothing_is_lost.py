"""Corners where a run could have waited for ever, or gone on without something it had been told."""

import asyncio
import math
import threading
from decimal import Decimal
from typing import Any

import pytest

from holdfast import (
    App,
    BadOption,
    Context,
    RunBlocked,
    RunCancelled,
    RunFailed,
    Settings,
    StepFailed,
    StepTimedOut,
    StoreBusy,
)
from holdfast.clock import VirtualClock


async def double(number: int) -> int:
    return 2 * number


async def test_two_promises_resolved_together_outlive_continue_as(app: App[Any]) -> None:
    @app.agent
    async def collect(ctx: Context, got: list[int]) -> list[int]:
        got = [*got, await ctx.promise(f"event-{len(got)}", int)]
        if len(got) < 3:
            await ctx.continue_as(collect(got))
        return got

    async with app.test() as t:
        run = await t.start(collect([]))
        for number in range(3):
            assert await t.resolve(f"{run.id}/event-{number}", number)
        assert await run.result() == [0, 1, 2]


async def test_a_cancel_that_comes_with_the_news_on_which_a_body_continues_is_kept(app: App[Any]) -> None:
    @app.agent
    async def endless(ctx: Context, n: int) -> None:
        await ctx.promise("go", bool)
        await ctx.continue_as(endless(n + 1))

    async with app.test() as t:
        run = await t.start(endless(0))
        await t.quiet()
        await t.resolve(f"{run.id}/go", True)
        await run.cancel(reason="enough")
        with pytest.raises(RunCancelled, match="enough"):
            await run.result()


async def test_a_key_that_cannot_be_written_is_refused_at_once(app: App[Any]) -> None:
    @app.agent
    async def body(ctx: Context) -> int:
        with pytest.raises(BadOption, match="UTF-8"):
            ctx.step(double, 1).using(key="\ud800")
        return 1

    async with app.test() as t:
        assert await (await t.start(body())).result() == 1


async def test_what_the_store_can_never_take_fails_its_run_and_no_other(app: App[Any]) -> None:
    @app.agent
    async def poison(ctx: Context) -> None:
        ctx._core.progress = object()  # type: ignore[assignment]  # past all checks, as a defect would be
        await ctx.step(double, 1)

    @app.agent
    async def healthy(ctx: Context) -> int:
        return await ctx.step(double, 21)

    async with app.test(check_replay=False) as t:
        bad, *good = [await t.start(call) for call in (poison(), healthy(), healthy(), healthy())]
        assert [await run.result() for run in good] == [42, 42, 42]
        with pytest.raises(RunFailed, match="StoreRejected"):
            await bad.result()
        assert await (await t.start(healthy())).result() == 42


async def test_progress_takes_numbers_and_text_only(app: App[Any]) -> None:
    @app.agent
    async def body(ctx: Context) -> int:
        with pytest.raises(BadOption, match="done="):
            ctx.progress(Decimal(3), 10)  # type: ignore[arg-type]
        return 1

    async with app.test() as t:
        assert await (await t.start(body())).result() == 1


@pytest.mark.parametrize("later", [1, 3, 40])
async def test_a_map_goes_on_under_another_concurrency(url: str, later: int) -> None:
    def deployed(concurrency: int) -> App[None]:
        app: App[None] = App("maps")

        @app.agent
        async def body(ctx: Context) -> list[int]:
            async def branch(number: int) -> int:
                await asyncio.sleep(100 - number)
                return await ctx.step(double, number)

            return list(await ctx.map(branch, range(30), key=str, concurrency=concurrency))

        return app

    clock, app = VirtualClock(), deployed(20)
    async with app.test(store=url, clock=clock, check_replay=False) as t:
        run_id = (await t.start(app.catalog.agent("body")())).id
        await t.advance("90s")
    async with deployed(later).test(store=url, clock=clock, check_replay=False) as t:
        assert await (await t.get(run_id)).result() == [2 * number for number in range(30)]


async def test_news_too_large_for_one_delta_comes_in_several(app: App[Any]) -> None:
    @app.agent
    async def body(ctx: Context) -> int:
        promises = [ctx.promise(f"page-{n}", str) for n in range(6)]
        await asyncio.sleep(60)
        return sum([len(await promise) for promise in promises])

    async with app.test() as t:
        run = await t.start(body())
        await t.quiet()
        page = "".join(f"{number:08x}" for number in range(1_500_000))
        for number in range(6):
            assert await t.resolve(f"{run.id}/page-{number}", page)
        assert await run.result() == 6 * len(page)


async def test_a_sync_step_that_still_stood_in_line_does_not_begin_after_its_end(app: App[Any]) -> None:
    let_go, begun = threading.Event(), []

    def hold(number: int) -> int:
        begun.append(number)
        let_go.wait(60)
        return number

    @app.agent
    async def body(ctx: Context) -> str:
        first = asyncio.ensure_future(ctx.step(hold, 1))
        second = asyncio.ensure_future(ctx.step(hold, 2))
        await asyncio.sleep(0)
        await ctx.step(double, 1)
        second.cancel()
        await ctx.step(release)
        await first
        return "ended"

    async def release() -> None:
        let_go.set()

    async with app.test(settings=Settings(threads=1)) as t:
        assert await (await t.start(body())).result() == "ended"
    assert begun == [1]


async def test_a_sync_step_is_timed_from_where_it_begins(app: App[Any]) -> None:
    def hold() -> None:
        threading.Event().wait(1.2)

    @app.agent
    async def body(ctx: Context) -> list[Any]:
        return await asyncio.gather(ctx.step(hold), ctx.step(double, 1).using(timeout="1s"))

    async with app.test(settings=Settings(threads=1)) as t:
        assert await (await t.start(body())).result() == [None, 2]


async def test_a_step_that_cancels_its_own_task_has_failed(app: App[Any]) -> None:
    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    @app.agent
    async def body(ctx: Context) -> str:
        with pytest.raises(StepFailed, match="CancelledError"):
            await ctx.step(cancels_itself)
        return "went on"

    async with app.test() as t:
        assert await (await t.start(body())).result() == "went on"


async def test_an_infinite_timeout_never_comes(app: App[Any]) -> None:
    @app.agent
    async def body(ctx: Context) -> str:
        async with asyncio.timeout(math.inf):
            await asyncio.sleep(90 * 86_400)
        with pytest.raises(BadOption, match=r"math\.inf"):
            await asyncio.sleep(1e14)
        return "awake"

    async with app.test() as t:
        assert await (await t.start(body())).result() == "awake"


async def test_an_async_source_stops_when_its_map_has_failed(app: App[Any]) -> None:
    done: list[int] = []

    async def work(number: int) -> int:
        done.append(number)
        if number == 0:
            raise ValueError("no")
        return number

    @app.agent
    async def body(ctx: Context) -> str:
        async def source() -> Any:
            for number in range(5):
                yield number
                await asyncio.sleep(1)

        with pytest.raises(StepFailed, match="no"):
            await ctx.map(work, source(), key=str, concurrency=1)
        await asyncio.sleep(60)
        return "caught"

    async with app.test() as t:
        assert await (await t.start(body())).result() == "caught"
    assert done == [0]


async def test_a_map_that_is_given_fewer_items_than_before_blocks(url: str) -> None:
    def deployed(count: int) -> App[None]:
        app: App[None] = App("maps")

        @app.agent
        async def body(ctx: Context) -> int:
            results = await ctx.map(double, range(count), key=str)
            await ctx.promise("go", bool)
            return len(results)

        return app

    clock, app = VirtualClock(), deployed(6)
    async with app.test(store=url, clock=clock, check_replay=False) as t:
        run_id = (await t.start(app.catalog.agent("body")())).id
        await t.quiet()
    async with deployed(2).test(store=url, clock=clock, check_replay=False) as t:
        await t.resolve(f"{run_id}/go", True)
        with pytest.raises(RunBlocked, match="6 items"):
            await (await t.get(run_id)).result()


async def test_a_run_that_is_cancelled_before_its_worker_comes_back_begins_nothing(app: App[Any]) -> None:
    begun: list[str] = []

    async def note(name: str) -> None:
        begun.append(name)

    @app.agent
    async def body(ctx: Context) -> None:
        await asyncio.sleep(100)
        await ctx.step(note, "after the wait")

    async with app.test(settings=Settings(linger=0)) as t:
        run = await t.start(body())
        await t.quiet()
        await run.cancel()
        t.clock.set(t.clock.now() + 200_000_000)
        with pytest.raises(RunCancelled):
            await run.result()
    assert begun == []


async def test_a_timed_out_step_is_reported_while_its_thread_goes_on(app: App[Any]) -> None:
    let_go = threading.Event()

    def hold() -> None:
        let_go.wait(60)

    @app.agent
    async def body(ctx: Context) -> str:
        with pytest.raises(StepTimedOut):
            await ctx.step(hold).using(timeout="50ms")
        return "went on"

    async with app.test() as t:
        assert await (await t.start(body())).result() == "went on"
        let_go.set()


async def test_values_that_cannot_be_read_just_now_do_not_fail_the_run(
    app: App[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is away for a moment while a body reads the results of its map; the body even catches that."""

    @app.agent
    async def total(ctx: Context) -> int:
        found = await ctx.map(double, [1, 2, 3], key=str)
        try:
            return sum(found)
        except Exception:
            return -1

    async with app.test() as t:
        read, away = t.store.item_values, 20

        def item_values(rid: int, map: int, ords: Any) -> list[bytes]:
            nonlocal away
            away -= 1
            if away > 0:
                raise StoreBusy("it cannot be reached")
            return read(rid, map, ords)

        monkeypatch.setattr(t.store, "item_values", item_values)
        run = await t.start(total())
        assert await run.result() == 12 and away <= 0
