"""``app.connect("http://…")`` and the command offer the same verbs over a server as over a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from holdfast import BadOption, Client, KeyConflict, RunFilter, StoreUnusable, UnknownAgent, UnknownRun, WrongState
from holdfast.durable.recording import load_recording, recorded_lines
from holdfast.durable.retention import Retention
from holdfast.errors import NotAuthenticated, StoreBusy
from holdfast.records.run import Status
from holdfast.server import serving
from tests.server.house import House, app, ask, asked_by, ended, fail, greet, many, served, settle, talk, write


async def until(met: Callable[[], Any]) -> None:
    """Wait for something that another task brings about."""
    async with asyncio.timeout(60):
        while not met():  # noqa: ASYNC110  # two looks at something that has no event of its own
            await asyncio.sleep(0.005)


@asynccontextmanager
async def connected(built: House, monkeypatch: pytest.MonkeyPatch, *roles: str) -> AsyncIterator[Client]:
    monkeypatch.setenv("HOLDFAST_TOKEN", await built.token("ann", *roles))
    async with served(built) as url, app.connect(url) as client:
        yield client


async def test_a_run_is_started_and_its_typed_result_awaited(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(built, monkeypatch, "operator") as client:
        run = await client.start(greet("bo", times=2), key="k", tags=["monday"], priority=3)
        assert await run.result() == "hello BO 2.0"
        assert (await client.start(greet("bo", times=2), key="k")).id == run.id
        with pytest.raises(KeyConflict, match="belongs to run"):
            await client.start(greet("cy"), key="k")
        record = await built.store.get(run.id)
        assert record is not None
        assert (record.tags, record.priority) == (("monday",), 3)
        asking = await client.start(settle("c-1"))
        assert (await asked_by(built, asking.id)).started_by == "ann"


async def test_asking_again_starts_nothing(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(built, monkeypatch, "operator") as client:
        new = client._new_run(greet("bo"), None, 0, client.now())
        assert [one.created for one in await client.store.start([new])] == [True]
        assert [one.created for one in await client.store.start([new])] == [False]


async def test_records_come_back_as_they_are(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [
        await built.start(many(["a", "b"])),
        await built.start(greet("ä")),
        await built.start(fail("no \ud800"[:3])),
    ]
    parked = await built.start(ask("first"))
    await asyncio.gather(*(ended(built, run) for run in runs))
    await built.runtime.wait_until(parked, lambda record: record.status is Status.WAITING)
    async with connected(built, monkeypatch, "operator") as client:
        here, there = built.runtime, client
        for run in [*runs, parked]:
            assert await there.info(run) == await here.info(run)
            assert [e async for e in there.journal(run)] == [e async for e in here.journal(run)]
            assert [e async for e in there.store.everything(run)][1:] == [e async for e in here.store.everything(run)][
                1:
            ]
            assert [line async for line in recorded_lines(there, run)] == [
                line async for line in recorded_lines(here, run)
            ]
            assert await there.activations(run) == await here.activations(run)
            assert await there.usage(run) == await here.usage(run)
            told, kept = (await load_recording(there, run)).history, (await load_recording(here, run)).history
            assert (told.entries, told.maps, told.groups) == (kept.entries, kept.maps, kept.groups)
        which = RunFilter(statuses=(Status.SUCCEEDED, Status.FAILED), limit=2)
        assert await there.find(which) == await here.find(which)
        assert await there.count() == await here.count()
        assert sorted(map(str, await there.store.population())) == sorted(map(str, await here.store.population()))
        assert [w.hosts for w in await there.workers()] == [w.hosts for w in await here.workers()]
        assert await there.demand(["ask"]) == await here.demand(["ask"])
        assert await there.store.by_key("ask", "none") is None
        recording = await load_recording(there, runs[0])
        (map_hash,) = recording.history.maps
        loaded = await asyncio.to_thread(recording.loader, map_hash, [1, 0])
        assert loaded == here.store.item_values((await here.info(runs[0])).rid, map_hash, [1, 0])


async def test_files_are_read_through_it(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await built.start(write("text" * 1000))
    await ended(built, run)
    async with connected(built, monkeypatch, "viewer") as client:
        (file,) = await client.files(run)
        assert file == (await built.runtime.files(run))[0]
        assert b"".join([piece async for piece in client.read_file(run, file.path)]) == b"text" * 1000


async def test_runs_are_operated_through_it(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(built, monkeypatch, "operator") as client:
        run = await client.start(ask("first"))
        await client.wait_until(run.id, lambda record: record.status is Status.WAITING)
        await client.pause(run.id, reason="lunch")
        with pytest.raises(WrongState, match="is paused"):
            await client.pause(run.id)
        assert await client.resume(run.id)
        forked = await client.fork(run.id, at="shout", outcome="ELSE")
        assert (await built.runtime.info(forked.id)).origin is not None
        await client.tag(run.id, add=["late"])
        assert [one.id for one in await client.find(RunFilter(tags=("late",)))] == [run.id]
        assert await client.resolve(f"{run.id}/answer", True)
        assert not await client.resolve(f"{run.id}/answer", False)
        assert await run.result() is True
        assert await client.cancel(forked.id, reason="enough")
        assert not await client.cancel(forked.id)
        await ended(built, forked.id)
        assert await client.prune([Retention(count=0)]) == 2
        with pytest.raises(UnknownRun):
            await client.info(run.id)


async def test_a_run_is_moved_by_whoever_has_the_code(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(built, monkeypatch, "operator") as client:
        run = await client.start(ask())
        await client.wait_until(run.id, lambda record: record.status is Status.WAITING)
        await client.pause(run.id)
        await client.wait_until(run.id, lambda record: record.status is Status.PAUSED)
        await client.move(run.id, "1")
        with pytest.raises(UnknownAgent):
            await client.move(run.id, "9")


async def test_what_steps_say_reaches_those_who_watch_elsewhere(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(built, monkeypatch, "operator") as client:
        run = await client.start(talk("one two three"))
        await client.wait_until(run.id, lambda record: record.status is Status.WAITING)
        heard: list[Any] = []
        events = run.events()
        first = asyncio.create_task(anext(events))
        await until(lambda: built.api.state.house.watches)
        await client.resolve(f"{run.id}/go", True)
        heard.append((await first).data)
        heard += [event.data async for event in events]
        assert heard == ["one", "two", "three"]


async def test_waiting_is_told_not_polled(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(built, monkeypatch, "operator") as client:
        run = await client.start(ask())
        await client.wait_until(run.id, lambda record: record.status is Status.WAITING)
        watch = client.store.watch()
        await until(lambda: built.api.state.house.watches)
        waiting = asyncio.create_task(watch.wait(600))
        await built.runtime.resolve(f"{run.id}/answer", True)
        await asyncio.wait_for(waiting, 60)
        watch.close()


async def test_a_worker_needs_the_database_itself(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN", await built.token())
    async with served(built) as url:
        with pytest.raises(StoreUnusable, match="a worker needs the database itself"):
            async with app.open(url):
                raise AssertionError("a worker on a server")


async def test_who_comes_without_a_token_is_told_so(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOLDFAST_TOKEN", raising=False)
    async with served(built) as url, app.connect(url) as client:
        with pytest.raises(NotAuthenticated, match="holdfast tokens new"):
            await client.find()
    with pytest.raises(BadOption, match="HOLDFAST_TOKEN"):
        async with app.connect("http://user:secret@127.0.0.1:1"):
            raise AssertionError("a password in a URL")


async def test_a_server_that_is_gone_is_said_to_be(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(built, monkeypatch) as client:
        url = client.store.url
    async with app.connect(url) as client:
        with pytest.raises(StoreBusy, match="does not answer"):
            await client.find()


async def test_it_ends_at_once_though_streams_are_open(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN", await built.token("ann", "viewer"))
    monkeypatch.setattr(serving, "_GRACE", 60)  # seconds that it would take if it waited for them
    loop = asyncio.get_running_loop()
    async with served(built) as url:
        client = await built.caller("ann", "viewer")
        listener = httpx2.AsyncClient(base_url=url, headers=client.headers, timeout=60)
        async with listener, listener.stream("GET", "/api/events") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "event: change"
            began = loop.time()
            built.api.state.house.stop()
            assert [line async for line in lines][-1] == ""
    assert loop.time() - began < 30
