"""Events arrive as they happen, and whoever was away gets what they missed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import Request

from holdfast.people import Caller
from holdfast.records.run import Status
from holdfast.server import streams
from holdfast.server.routes import events
from tests.server.house import House, ask, asked, ended, greet, result, served, settle, talk


@dataclass
class Event:
    name: str
    data: Any
    id: str | None = None


@asynccontextmanager
async def listening(
    built: House, path: str, *roles: str, last: str | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    """Events of a stream, over a real socket."""
    headers = {"Authorization": f"Bearer {await built.token('ann', *roles)}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    async with (
        served(built) as url,
        httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as client,
        client.stream("GET", path) as stream,
    ):
        assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        yield parsed(stream.aiter_lines())


async def parsed(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif fields:
            yield Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
            fields = {}


async def test_a_run_is_followed_to_its_end(built: House) -> None:
    run = await built.start(ask("first"))
    await built.runtime.wait_until(run, lambda record: record.status is Status.WAITING)
    async with listening(built, f"/api/runs/{run}/events", "viewer") as events:
        seen = [await anext(events)]
        while seen[-1].name != "run":
            seen.append(await anext(events))
        assert [event.data["key"] for event in seen if event.name == "entry"] == ["shout#1", "answer"]
        await built.runtime.resolve(f"{run}/answer", True)
        seen += [event async for event in events]
    assert [seen[-1].name, seen[-2].name, seen[-2].data["status"]] == ["end", "run", "succeeded"]
    numbers = [event.id for event in seen if event.name == "entry"]
    assert numbers == [f"0.{entry.seq}" for entry in [entry async for entry in built.runtime.journal(run)]]


async def test_entries_after_the_last_one_received_are_replayed(built: House) -> None:
    run = await built.start(ask("first"))
    await built.runtime.resolve(f"{run}/answer", True)
    await ended(built, run)
    seqs = [entry.seq async for entry in built.runtime.journal(run)]
    async with listening(built, f"/api/runs/{run}/events", "viewer", last=f"0.{seqs[0]}") as events:
        numbers = [event.id async for event in events if event.name == "entry"]
    assert numbers == [f"0.{seq}" for seq in seqs[1:]]
    async with listening(built, f"/api/runs/{run}/events", "viewer", last="7.3") as events:
        assert len([event async for event in events if event.name == "entry"]) == len(seqs)  # of another generation


async def test_what_steps_say_is_heard_while_it_is_said(built: House) -> None:
    run = await built.start(talk("one two"))
    await built.runtime.wait_until(run, lambda record: record.status is Status.WAITING)
    async with listening(built, f"/api/runs/{run}/events?told=true", "viewer") as events:
        await anext(events)
        await built.runtime.resolve(f"{run}/go", True)
        told = [event.data["data"] async for event in events if event.name == "told"]
    assert told == ["one", "two"]


class Narrow(asyncio.Queue[Any]):
    """A queue that says when somebody stands in line to put something there."""

    def __init__(self) -> None:
        super().__init__(1)
        self.in_line = asyncio.Event()

    async def put(self, item: Any) -> None:
        if self.full():
            self.in_line.set()
        await super().put(item)


async def test_a_stream_ends_for_who_leaves_it_while_much_waits_to_be_sent(built: House) -> None:
    run = await built.start(talk("one two"))
    await built.runtime.resolve(f"{run}/go", True)
    await ended(built, run)
    ann = await built.people.ensure("ann", ["viewer"], by="test")
    caller = Caller(person=ann, scopes=ann.scopes, via="test")
    house = built.api.state.house
    stream = events._RunEvents(house, Request({"type": "http"}), caller, run, None, entries=True)
    stream.ahead = narrow = Narrow()
    told = stream.with_told()
    await anext(told)
    async with asyncio.timeout(60):
        await narrow.in_line.wait()
        await told.aclose()


async def test_changes_are_told_to_readers(built: House) -> None:
    async with listening(built, "/api/events", "viewer") as events:
        assert (await anext(events)).name == "change"
        await built.start(greet("bo"))
        assert (await asyncio.wait_for(anext(events), 60)).name == "change"


async def test_a_reviewer_hears_of_their_inbox_only(built: House) -> None:
    async with listening(built, "/api/events", "reviewer") as events:
        first = await anext(events)
        assert (first.name, first.data) == ("inbox", {"pending": 0, "first": []})


async def test_decisions_are_told_to_those_who_may_see_them_and_replayed(built: House) -> None:
    async with listening(built, "/api/events", "adjuster") as events:
        assert (await anext(events)).data["pending"] == 0
        approval = await asked(built, settle("c-1"))
        other = await asked(built, settle("c-2", to="role:lead"))
        news = await anext(events)
        assert [one["approval"] for one in news.data["first"]] == [approval.id]
        bo = await built.caller("bo", "adjuster", "lead")
        for one in (other, approval):
            answer = {"answer": {"kind": "approve"}, "digest": one.digest}
            assert (await bo.post(f"/api/approvals/{one.id}/decision", json=answer)).status_code == 200
        while (told := await anext(events)).name != "approval" or told.data["by"] != "bo":
            pass
    assert (told.data["approval"], told.data["by"], told.data["state"]) == (approval.id, "bo", "approved")
    await result(built, approval.run_id)
    async with listening(built, "/api/events", "adjuster", last=str(int(told.id or 0) - 1)) as events:
        while (again := await anext(events)).name != "approval":
            pass
    assert again == told


@pytest.mark.parametrize("how", ["token revoked", "other roles"])
async def test_a_stream_ends_when_its_listener_may_not_any_more(
    built: House, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(streams, "_CHECKED", 0.0)
    async with listening(built, "/api/events", "viewer") as events:
        await anext(events)
        if how == "token revoked":
            (token,) = await built.people.tokens.list("ann")
            await built.people.tokens.revoke(token.id, by="test")
        else:
            await built.people.set_roles("ann", ["starter"], by="test")
        async with asyncio.timeout(60):
            assert all([event.name == "change" async for event in events])


async def test_unknown_runs_and_odd_places_are_problems(built: House) -> None:
    ann = await built.caller("ann", "viewer")
    assert (await ann.get("/api/runs/none/events")).status_code == 404
    run = await built.start(greet("bo"))
    odd = await ann.get(f"/api/runs/{run}/events", headers={"Last-Event-ID": "many"})
    assert (odd.status_code, odd.json()["type"]) == (422, "/problems/invalid")
