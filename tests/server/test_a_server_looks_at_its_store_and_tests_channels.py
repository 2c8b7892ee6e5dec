"""``GET /api/doctor`` and ``POST /api/channels/{id}/test``: what a terminal at the store can find out, a server can."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from holdfast import codec
from holdfast.clock import SystemClock
from holdfast.durable.checkup import examine
from holdfast.records.health import Look
from holdfast.runtime import health_of
from tests.notifications.receiver import Receiver, answers
from tests.server.house import House, greet, result
from tests.server.test_people_are_who_they_say import problem


class Slow:
    """A look that takes until it is told to end."""

    url = "slow"

    def __init__(self) -> None:
        self.begun, self.end, self.looks = threading.Event(), threading.Event(), 0

    def look(self, *, deep: bool = False) -> Look:
        self.looks += 1
        self.begun.set()
        assert self.end.wait(60)
        return Look(findings=(), contents=None)


async def test_it_finds_what_a_look_from_beside_finds(built: House, url: str) -> None:
    olga = await built.caller("olga", "operator")
    found = (await olga.get("/api/doctor")).json()
    beside = examine(health_of(url), clock=SystemClock())
    steady = {"space", "wal", "clock", "server"}  # these say sizes and times
    assert [one["about"] for one in found["findings"]] == [one.about for one in beside]
    assert [one for one in found["findings"] if one["about"] not in steady and one["about"] != "sidecar"] == [
        {"severity": str(one.severity), "about": one.about, "what": one.what, "do": one.do}
        for one in beside
        if one.about not in steady and one.about != "sidecar"
    ]
    assert found["store"] == built.store.url
    assert "secret" not in json.dumps(found)


async def test_looking_takes_nothing_from_the_store_that_is_looked_at(built: House) -> None:
    olga = await built.caller("olga", "operator")
    for _ in range(3):
        assert (await olga.get("/api/doctor")).status_code == 200
        run = await built.start(greet("bo"))
        assert await result(built, run) == "hello BO 1.0"


async def test_commands_name_the_app_of_whoever_asks(built: House) -> None:
    root = await built.caller()
    await root.post("/api/runs/batch", json={"runs": [{"agent": "other", "version": "9", "input": {}}]})

    async def told(**mine: str) -> str:
        found = (await root.get("/api/doctor", params=mine)).json()["findings"]
        (versions,) = [one["do"] for one in found if one["about"] == "versions" and one["do"]]
        return str(versions)

    assert (await told()).startswith("holdfast worker MODULE:APP --store ")
    assert (await told(place="claims:app", hosted="other@9")).startswith("holdfast worker claims:app --store ")
    assert "claims:app has version 8 of it" in await told(place="claims:app", hosted="other@8")
    assert problem(await root.get("/api/doctor", params={"hosted": "greet"})) == (422, "invalid")


async def test_one_look_at_a_time_whoever_waits_for_it(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, olga = Slow(), await built.caller("olga", "operator")
    monkeypatch.setattr(built.store, "health", lambda: slow)
    first = asyncio.create_task(olga.get("/api/doctor"))
    assert await asyncio.to_thread(slow.begun.wait, 60)
    assert problem(await olga.get("/api/doctor")) == (503, "busy")
    first.cancel()  # its caller has gone: the look goes on, and is still the only one
    await asyncio.gather(first, return_exceptions=True)
    assert problem(await olga.get("/api/doctor")) == (503, "busy")
    slow.end.set()
    look: Any = built.api.state.house.look
    await look
    assert (await olga.get("/api/doctor")).status_code == 200
    assert slow.looks == 2


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("adjuster", False), ("operator", True), ("admin", True)])
async def test_operators_may_have_it_looked_at(built: House, role: str, may: bool) -> None:
    answer = await (await built.caller("ann", role)).get("/api/doctor")
    assert answer.status_code == (200 if may else 403)


async def test_an_admin_has_a_channel_tested_from_the_server(built: House) -> None:
    root, olga = await built.caller(), await built.caller("olga", "operator")
    async with Receiver() as receiver:
        made = await root.post("/api/channels", json={"id": "hook", "url": receiver.url})
        assert made.status_code == 201
        assert problem(await olga.post("/api/channels/hook/test")) == (403, "scope-missing")
        assert (await root.post("/api/channels/hook/test")).json() == {"ok": True, "error": ""}
        (got,) = receiver.got
        assert json.loads(got.body)["type"] == "channel.test"
        receiver.behaviours = [answers(500)]
        failed = (await root.post("/api/channels/hook/test")).json()
        assert failed["ok"] is False
        assert "500" in failed["error"]
    assert problem(await root.post("/api/channels/none/test")) == (404, "not-found")
    tested = [one for one in await built.store.audited(subject="hook") if one.action == "channel.tested"]
    said = [json.loads(codec.unpack(one.detail))["error"] for one in tested]
    assert [one.actor for one in tested] == ["root", "root"]
    assert said == ["", failed["error"]]
