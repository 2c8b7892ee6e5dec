"""One trace per activation, linked to the one before, whatever happened in between."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from holdfast import App, Context, RunBlocked, RunFailed
from holdfast.store.base import RunFilter
from holdfast.store.sqlite import SqliteStore
from tests.kernel.making import Deployments
from tests.telemetry.spans import Spans, attribute, ids, left, links, parent


async def do(what: str) -> str:
    return what


def waiting(app: App[None]):
    @app.agent(version="3")
    async def wait(ctx: Context) -> str:
        await ctx.step(do, "before")
        await ctx.promise("go", bool)
        return await ctx.step(do, "after")

    return wait


async def test_a_run_that_waits_is_one_trace_per_activation_each_linked_to_the_one_before(
    app: App, spans: Spans
) -> None:
    wait = waiting(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(wait())
        await t.quiet()
        assert [left(span) for span in spans.named("invoke_agent wait")] == ["suspended"]
        await t.resolve(f"{run.id}/go", True)
        assert await run.result() == "after"
    first, second = spans.named("invoke_agent wait")
    assert parent(first) is None and parent(second) is None
    assert ids(first)[0] != ids(second)[0], "each is a trace of its own"
    assert links(first) == []
    assert links(second) == [("previous activation", *ids(first))]
    assert (left(second), attribute(second, "holdfast.run.status")) == ("ended", "succeeded")
    for epoch, span in enumerate((first, second), 1):
        assert attribute(span, "holdfast.run.id") == run.id
        assert attribute(span, "holdfast.activation.epoch") == epoch
        assert attribute(span, "gen_ai.operation.name") == "invoke_agent"
        assert attribute(span, "gen_ai.agent.name") == "wait"
        assert attribute(span, "gen_ai.agent.version") == "3"
        assert span.status.status_code is StatusCode.UNSET


async def test_nothing_that_is_replayed_is_told_again(app: App, spans: Spans) -> None:
    wait = waiting(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(wait())
        await t.quiet()
        await t.crash()
        await t.resolve(f"{run.id}/go", True)
        await run.result()
        steps = spans.named("step do")
        assert len(steps) == 2
        assert parent(steps[0]) == ids(spans.named("invoke_agent wait")[0])
        assert parent(steps[1]) == ids(spans.named("invoke_agent wait")[-1])
        told = len(spans.all)
        await t.check_replay()
        assert len(spans.all) == told, "a check executes nothing, and tells nothing"


async def test_the_links_lead_over_a_crash(app: App, spans: Spans) -> None:
    wait = waiting(app)
    async with app.test(always_suspend=False) as t:
        run = await t.start(wait())
        await t.quiet()
        await t.crash()
        await t.resolve(f"{run.id}/go", True)
        await run.result()
    lost, last = spans.named("invoke_agent wait")
    assert left(lost) == "lost" and lost.status.status_code is StatusCode.ERROR
    assert links(last) == [("previous activation", *ids(lost))]


async def test_an_activation_that_was_lost_before_it_wrote_anything_is_skipped(app: App, spans: Spans) -> None:
    wait = waiting(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(wait())
        await t.quiet()
        t.crash_at("claimed")
        await t.resolve(f"{run.id}/go", True)
        await run.result()
        assert [one.trace is None for one in await t.store.activations(run.id)] == [False, True, False]
    first, *_, last = spans.named("invoke_agent wait")
    assert links(last) == [("previous activation", *ids(first))]


async def test_a_worker_that_stops_hands_back(app: App, url: str, spans: Spans) -> None:
    wait = waiting(app)
    async with app.test(store=url, always_suspend=False, check_replay=False) as t:
        await t.start(wait())
        await t.quiet()
    assert left(spans.one("invoke_agent wait")) == "handed_back"


async def test_failed_cancelled_and_continued_runs_say_so(app: App, spans: Spans) -> None:
    @app.agent
    async def fail(ctx: Context) -> None:
        raise LookupError("hunter2")

    @app.agent
    async def sleep(ctx: Context) -> None:
        await asyncio.sleep(3600)

    @app.agent
    async def again(ctx: Context, more: int) -> int:
        if more:
            await ctx.continue_as(again(more - 1))
        return more

    async with app.test() as t:
        with suppress(RunFailed):
            await (await t.start(fail())).result()
        sleeper = await t.start(sleep())
        await t.quiet()
        await sleeper.cancel()
        await t.quiet()
        await (await t.start(again(1))).result()
    failed = spans.one("invoke_agent fail")
    assert (left(failed), attribute(failed, "holdfast.run.status")) == ("ended", "failed")
    assert attribute(failed, "error.type") == "LookupError"
    assert failed.status.status_code is StatusCode.ERROR and not failed.status.description
    cancelled = spans.named("invoke_agent sleep")[-1]
    assert attribute(cancelled, "holdfast.run.status") == "cancelled"
    assert cancelled.status.status_code is StatusCode.UNSET, "it was asked to: nothing went wrong"
    first, second = spans.named("invoke_agent again")
    assert left(first) == "renewed"
    assert links(second) == [("previous activation", *ids(first))]


async def test_a_blocked_run_says_so(url: str, spans: Spans) -> None:
    async def old(ctx: Context) -> None:
        await ctx.step(do, "a").using(effect="at_most_once")
        await ctx.promise("go", bool)

    async def new(ctx: Context) -> None:
        await ctx.promise("go", bool)

    deployments = Deployments(url)
    async with deployments.start(old):
        pass
    async with deployments.go_on(new) as (_, run):
        with pytest.raises(RunBlocked):
            await run.result()
    blocked = spans.named("invoke_agent job")[-1]
    assert (left(blocked), attribute(blocked, "error.type")) == ("blocked", "Blocked")
    assert blocked.status.status_code is StatusCode.ERROR


async def test_a_paused_run_says_so(app: App, spans: Spans) -> None:
    wait = waiting(app)
    async with app.test(always_suspend=False, check_replay=False) as t:
        run = await t.start(wait())
        await t.quiet()
        await t.pause(run.id)
        await t.quiet()
    paused = spans.named("invoke_agent wait")[-1]
    assert left(paused) == "paused" and paused.status.status_code is StatusCode.UNSET


async def test_a_childs_first_activation_links_to_its_parents(app: App, spans: Spans) -> None:
    @app.agent
    async def child(ctx: Context) -> str:
        return await ctx.promise("go", str)

    @app.agent
    async def start(ctx: Context) -> str:
        return await child()

    async with app.test(always_suspend=True) as t:
        run = await t.start(start())
        await t.quiet()
        (record,) = await t.find(RunFilter(agent="child"))
        await t.resolve(f"{record.id}/go", "done")
        assert await run.result() == "done"
    first, second = spans.named("invoke_agent child")
    assert links(first) == [("parent run", *ids(spans.named("invoke_agent start")[0]))]
    assert links(second) == [("previous activation", *ids(first))]
    assert attribute(first, "gen_ai.conversation.id") == run.id


async def test_the_span_context_is_kept_in_the_store_as_w3c_writes_it(app: App, spans: Spans) -> None:
    wait = waiting(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(wait())
        await t.quiet()
        (activation,) = await t.store.activations(run.id)
    trace_id, span_id = ids(spans.one("invoke_agent wait"))
    assert activation.trace and activation.trace.startswith(f"00-{trace_id:032x}-{span_id:016x}-0")


@pytest.mark.parametrize("damaged", ["", "00-1-2-01", "ff-" + "0" * 32 + "-" + "0" * 16 + "-01", "\x00"])
async def test_a_context_that_nobody_can_read_is_no_link(app: App, url: str, spans: Spans, damaged: str) -> None:
    wait = waiting(app)
    async with app.test(store=url, always_suspend=True) as t:
        run = await t.start(wait())
        await t.quiet()
        assert isinstance(t.store, SqliteStore)
        db = t.store._file._writer
        assert db is not None
        db.execute("UPDATE activations SET trace = ?", (damaged,))
        await t.resolve(f"{run.id}/go", True)
        assert await run.result() == "after"
    assert links(spans.named("invoke_agent wait")[-1]) == []


async def test_without_a_provider_nothing_is_kept(app: App) -> None:
    wait = waiting(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(wait())
        await t.quiet()
        await t.resolve(f"{run.id}/go", True)
        await run.result()
        assert [one.trace for one in await t.store.activations(run.id)] == [None, None]


async def test_what_a_sampler_drops_is_not_kept_and_nothing_inside_it_is_told(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = Spans(sampler=ALWAYS_OFF)
    inside: list[bool] = []
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)

    async def look() -> None:
        inside.append(trace.get_current_span().get_span_context().is_valid)

    @app.agent
    async def body(ctx: Context) -> None:
        await ctx.step(look)

    async with app.test() as t:
        run = await t.start(body())
        await run.result()
        assert {one.trace for one in await t.store.activations(run.id)} == {None}
    assert inside == [True] and not spans.all


async def test_a_provider_that_fails_does_no_harm(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        def get_tracer(self, *args: object, **kwargs: object) -> Failing:
            return self

        def start_span(self, *args: object, **kwargs: object) -> None:
            raise OSError("no collector")

    monkeypatch.setattr(trace, "get_tracer_provider", Failing)
    wait = waiting(app)
    async with app.test(always_suspend=True) as t:
        run = await t.start(wait())
        await t.quiet()
        await t.resolve(f"{run.id}/go", True)
        assert await run.result() == "after"
    assert re.search("the tracer provider failed", caplog.text)
