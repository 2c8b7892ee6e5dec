"""Metrics in Prometheus' default registry: what happened is counted once, and no label holds a run's id."""

# ruff: noqa: ASYNC110 - what is polled here has no event to wait for

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from prometheus_client import REGISTRY, generate_latest

from holdfast import App, Context, RunFailed, Settings, StepFailed
from holdfast.durable.census import Census
from holdfast.durable.worker import Worker
from holdfast.errors import StoreBusy
from holdfast.records.run import Population, Status
from holdfast.telemetry import metrics


class Since:
    """Samples of the registry, as differences from now on: other tests count too."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, tuple[tuple[str, str], ...]], float] = self._samples()

    def __call__(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return self._samples().get(key, 0.0) - self._before.get(key, 0.0)

    @staticmethod
    def _samples() -> dict[Any, float]:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in REGISTRY.collect()
            for sample in family.samples
        }


async def test_attempts_are_counted_by_function_and_outcome(app: App) -> None:
    tries: list[int] = []

    @app.tool(retries=1)
    async def flaky_tool(n: int) -> int:
        tries.append(n)
        if len(tries) == 1:
            raise ConnectionError
        return n

    @app.agent
    async def counting(ctx: Context) -> None:
        await flaky_tool(1)
        await ctx.map(double, [1, 2, 3], key=str)
        with suppress(StepFailed):
            await ctx.step(sleepy).using(timeout="5ms")
        await ctx.step(lambda: 1).using(key="k", returns=int)

    since = Since()
    async with app.test(always_suspend=False) as t:
        await (await t.start(counting())).result()
    count = "holdfast_step_attempts_total"
    tool = {"agent": "counting", "step": "flaky_tool", "op": "tool"}
    assert since(count, outcome="failed", **tool) == 1
    assert since(count, outcome="succeeded", **tool) == 1
    assert since("holdfast_step_seconds_count", **tool) == 2
    assert since(count, agent="counting", step="double", op="step", outcome="succeeded") == 3
    assert since(count, agent="counting", step="sleepy", op="step", outcome="timed_out") == 1
    assert since(count, agent="counting", step="(lambda)", op="step", outcome="succeeded") == 1


async def double(n: int) -> int:
    return 2 * n


async def sleepy() -> None:
    await asyncio.Event().wait()


async def test_activations_waits_replays_commits_and_leases_are_told(app: App) -> None:
    @app.agent
    async def told(ctx: Context) -> int:
        await ctx.step(double, 1)
        return await ctx.promise("go", int)

    since = Since()
    async with app.test(always_suspend=False) as t:
        run = await t.start(told())
        await t.quiet()
        assert since("holdfast_activations", agent="told") == 1
        assert since("holdfast_replayed_entries_total", agent="told") == 0
        await t.crash()
        await t.quiet()
        assert since("holdfast_activations", agent="told") == 1, "the lost one is gone, the new one is here"
        assert since("holdfast_replayed_entries_total", agent="told") == 2, "a step and a declared promise"
        await t.resolve(f"{run.id}/go", 3)
        assert await run.result() == 3
        t.worker._lost()
        await t.quiet()
    assert since("holdfast_activations", agent="told") == 0
    assert since("holdfast_schedule_to_start_seconds_count", agent="told") == 2
    assert since("holdfast_commit_seconds_count") == since("holdfast_commit_batch_size_count") > 2
    assert since("holdfast_commit_batch_size_sum") >= since("holdfast_commit_batch_size_count")
    assert since("holdfast_leases_lost_total") == 1


async def test_how_long_a_run_was_ready_is_what_its_worker_was_late(app: App) -> None:
    @app.agent
    async def late(ctx: Context) -> None:
        await asyncio.sleep(3600)

    since = Since()
    async with app.test(always_suspend=True) as t:
        run = await t.start(late())
        await t.quiet()
        t.clock.set(t.clock.now() + 3660 * 1_000_000)  # it is woken a minute late
        await run.result()
    name = "holdfast_schedule_to_start_seconds_bucket"
    assert since(name, agent="late", le="15.0") == 1
    assert since(name, agent="late", le="60.0") == 2


async def test_no_metric_names_a_run_a_key_or_a_worker(app: App) -> None:
    @app.tool
    async def tell(what: str) -> str:
        return what

    @app.agent
    async def named(ctx: Context, what: str) -> str:
        await ctx.step(double, 1).using(key="customer-4711")
        await tell(what)
        if what == "s3cr3t-1":
            raise ValueError(what)
        return what

    ids = set()
    async with app.test(settings=Settings(census=3600)) as t:
        for n in range(3):
            run = await t.start(named(f"s3cr3t-{n}"), key=f"idem-{n}")
            with suppress(RunFailed):
                await run.result()
            ids |= {run.id, f"s3cr3t-{n}", f"idem-{n}"}
        ids |= {t.worker.id, t.store.url, "customer-4711", "#1"}
        exposed = generate_latest().decode()
    assert 'agent="named"' in exposed
    assert [id for id in ids if id in exposed] == []


async def test_two_workers_on_two_stores_share_the_metrics(app: App, tmp_path: Any) -> None:
    @app.agent
    async def shared(ctx: Context) -> int:
        return await ctx.step(double, 1)

    since = Since()
    settings = Settings(census=0.001)
    async with app.test(settings=settings) as one, app.test(settings=settings) as two:
        await asyncio.gather(*[(await t.start(shared())).result() for t in (one, two, two)])
        for t in (one, two):
            await counted_again(t.worker)
        assert since("holdfast_runs", agent="shared", version="1", status="succeeded") == 3
    assert since("holdfast_runs", agent="shared", version="1", status="succeeded") == 0, "nobody counts any more"
    assert since("holdfast_step_attempts_total", agent="shared", step="double", op="step", outcome="succeeded") == 3


async def counted_again(worker: Worker) -> None:
    before = worker._census.counts
    while worker._census.counts < before + 2:  # one that began after this call has ended
        await asyncio.sleep(0.001)


async def test_runs_are_counted_by_agent_version_and_status(app: App, url: str) -> None:
    @app.agent(version="7")
    async def census(ctx: Context, wait: bool) -> None:
        if wait:
            await ctx.promise("go", bool)

    async with app.test(store=url, always_suspend=True) as t:
        for wait in (True, True, False):
            await t.start(census(wait))
        await t.quiet()
        assert await t.store.population() == [
            Population(agent="census", version="7", status=Status.SUCCEEDED, count=1),
            Population(agent="census", version="7", status=Status.WAITING, count=2),
        ]


class Slow:
    """A store of a million runs, or one that is locked."""

    url = "slow"

    def __init__(self, *, busy: bool = False) -> None:
        self.asked = 0
        self.busy = busy

    async def population(self) -> list[Population]:
        self.asked += 1
        if self.busy:
            raise StoreBusy("locked")
        await asyncio.sleep(0.05)
        return []


async def test_counting_takes_a_small_share_of_the_time() -> None:
    slow: Any = Slow()
    census = Census(slow, 0.001)
    census.start()
    await asyncio.sleep(0.5)  # a count takes 0.05 s: the next would begin after 2.5 s
    await census.stop()
    assert slow.asked == 1


async def test_a_store_that_cannot_be_counted_is_asked_again(caplog: Any) -> None:
    busy: Any = Slow(busy=True)
    census = Census(busy, 0.001)
    census.start()
    while busy.asked < 3:
        await asyncio.sleep(0)
    await census.stop()
    assert "the metrics show the last count" in caplog.text


def test_functions_made_anew_for_each_run_do_not_make_series_without_end() -> None:
    before = len(list(series("holdfast_step_attempts")))
    for n in range(3_000):
        metrics.attempted("endless", f"made_{n}", "step", "succeeded", 0.1)
    assert len(list(series("holdfast_step_attempts"))) - before <= 2_001
    assert REGISTRY.get_sample_value(
        "holdfast_step_attempts_total",
        {"agent": "endless", "step": "(other)", "op": "step", "outcome": "succeeded"},
    )


def series(name: str) -> Any:
    return [
        s for family in REGISTRY.collect() if family.name == name for s in family.samples if s.name.endswith("_total")
    ]
