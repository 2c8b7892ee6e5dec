"""Over HTTP runs are started, found, looked into and operated."""

from __future__ import annotations

import json

import pytest

from holdfast.records.run import Status
from tests.server.house import House, ask, asked_by, ended, fail, greet, many, write

TEXT, JSON = {"content-type": "text/plain"}, {"content-type": "application/json"}


async def test_a_run_is_started_once_under_a_key(built: House) -> None:
    ann = await built.caller("ann", "starter")
    body = {"agent": "greet", "input": {"name": "bo"}, "key": "k"}
    first, again = await ann.post("/api/runs", json=body), await ann.post("/api/runs", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["run"] == again.json()["run"]
    assert first.headers["location"] == f"/api/runs/{first.json()['run']}"
    other = await ann.post("/api/runs", json=body | {"input": {"name": "cy"}})
    assert (other.status_code, other.json()["type"]) == (409, "/problems/key-conflict")


async def test_who_started_a_run_is_whose_token_it_was(built: House) -> None:
    ann = await built.caller("ann", "starter")
    run = (await ann.post("/api/runs", json={"agent": "settle", "input": ["c-1"]})).json()["run"]
    assert (await asked_by(built, run)).started_by == "ann"


async def test_arguments_are_checked_by_the_agents_types(built: House) -> None:
    ann = await built.caller("ann", "starter")
    wrong = await ann.post("/api/runs", json={"agent": "greet", "input": {"name": "bo", "times": "often"}})
    assert wrong.status_code == 422
    assert "argument times" in wrong.json()["detail"]
    unknown = await ann.post("/api/runs", json={"agent": "gret"})
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/unknown-agent")
    misspelled = await ann.post("/api/runs", json={"agent": "greet", "inptu": {}})
    assert (misspelled.status_code, misspelled.json()["errors"][0]["at"]) == (422, "body.inptu")


async def test_a_run_is_shown_with_its_values_and_without(built: House) -> None:
    ann = await built.caller("ann", "viewer")
    run = await built.start(greet("bo"), tags=["monday"])
    await ended(built, run)
    shown = (await ann.get(f"/api/runs/{run}")).json()
    assert (shown["status"], shown["result"], shown["input"]) == ("succeeded", "hello BO 1.0", {"name": "bo"})
    (listed,) = (await ann.get("/api/runs", params={"values": "false", "tag": "monday"})).json()["runs"]
    assert listed["id"] == run
    assert not {"result", "input"} & listed.keys()


async def test_runs_are_listed_page_by_page(built: House) -> None:
    ann = await built.caller("ann", "viewer")
    runs = [await built.start(ask()) for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while cursor is not None or not found:
        page = (await ann.get("/api/runs", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        found += [run["id"] for run in page["runs"]]
        cursor = page["next"]
    assert found == sorted(runs, reverse=True)
    assert (await ann.get("/api/runs/count", params={"agent": "ask"})).json()["count"] == 5


async def test_what_is_recorded_is_there_to_read(built: House) -> None:
    ann = await built.caller("ann", "viewer")
    run = await built.start(many(["a", "b"]))
    await ended(built, run)
    journal = (await ann.get(f"/api/runs/{run}/journal")).json()
    assert [entry["key"] for entry in journal["entries"]] == [entry.key async for entry in built.runtime.journal(run)]
    recording = [json.loads(line) for line in (await ann.get(f"/api/runs/{run}/recording")).text.splitlines()]
    assert [recording[0]["type"], recording[-1]["type"]] == ["header", "end"]
    history = (await ann.get(f"/api/runs/{run}/history")).json()
    (index,) = history["maps"]
    values = await ann.get(f"/api/runs/{run}/history/values", params={"map": index["map"], "ord": [1, 0]})
    assert values.json()["values"] == [{"value": "B"}, {"value": "A"}]
    assert (await ann.get(f"/api/runs/{run}/activations")).json()["activations"][0]["number"] == 1
    assert (await ann.get(f"/api/runs/{run}/usage")).json()["requests"] == 0


async def test_files_are_bytes_to_be_saved_whatever_is_in_them(built: House) -> None:
    ann = await built.caller("ann", "viewer")
    run = await built.start(write("<script>alert(1)</script>"))
    await ended(built, run)
    (file,) = (await ann.get(f"/api/runs/{run}/files")).json()["files"]
    found = await ann.get(f"/api/runs/{run}/files/{file['path']}")
    assert found.text == "<script>alert(1)</script>"
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["content-disposition"].startswith("attachment")
    assert (await ann.get(f"/api/contents/{file['chunks'][0]['digest']}")).content == found.content
    assert (await ann.get(f"/api/runs/{run}/files/nothing")).status_code == 404


async def test_runs_are_operated(built: House) -> None:
    bo = await built.caller("bo", "operator")
    run = await built.start(ask())
    await built.runtime.wait_until(run, lambda record: record.status is Status.WAITING)
    assert (await bo.post(f"/api/runs/{run}/pause", json={"reason": "lunch"})).json() == {"done": True}
    twice = await bo.post(f"/api/runs/{run}/pause", json={})
    assert (twice.status_code, twice.json()["type"], twice.json()["run"]) == (409, "/problems/wrong-state", run)
    assert (await bo.post(f"/api/runs/{run}/resume")).json() == {"done": True}
    assert (await bo.post(f"/api/runs/{run}/tags", json={"add": ["late"]})).json() == {"done": True}
    assert (await bo.delete(f"/api/runs/{run}")).status_code == 409
    assert (await bo.post(f"/api/runs/{run}/cancel", json={"reason": "why not"})).json() == {"done": True}
    await ended(built, run)
    shown = (await bo.get(f"/api/runs/{run}")).json()
    assert (shown["status"], shown["tags"], shown["cancel"]["reason"]) == ("cancelled", ["late"], "why not")
    assert (await bo.post(f"/api/runs/{run}/cancel", json={})).json() == {"done": False}
    assert (await bo.delete(f"/api/runs/{run}")).json() == {"deleted": 1}
    assert (await bo.get(f"/api/runs/{run}")).status_code == 404


async def test_failed_runs_are_retried_and_forked(built: House) -> None:
    bo = await built.caller("bo", "operator")
    run = await built.start(fail("no stock"))
    await ended(built, run)
    assert (await bo.get(f"/api/runs/{run}")).json()["error"]["message"] == "no stock"
    assert (await bo.post(f"/api/runs/{run}/retry")).json() == {"done": True}
    other = await built.start(ask("first"))
    await built.runtime.wait_until(other, lambda record: record.status is Status.WAITING)
    forked = await bo.post(f"/api/runs/{other}/forks", json={"at": "shout", "outcome": "ELSE", "tags": ["what-if"]})
    assert (forked.status_code, forked.json()["changed"]) == (201, "shout#1")
    assert (await bo.post(f"/api/runs/{other}/forks", json={"at": 99})).status_code == 422
    moved = await bo.post(f"/api/runs/{other}/move", json={"version": "9"})
    assert (moved.status_code, moved.json()["type"]) == (404, "/problems/unknown-agent")


async def test_promises_are_resolved_once(built: House) -> None:
    bo = await built.caller("bo", "operator")
    run = await built.start(ask())
    await built.runtime.wait_until(run, lambda record: record.status is Status.WAITING)
    declared = (await bo.get("/api/promises", params={"id": f"{run}/answer"})).json()
    assert declared == {"declared": True, "json_schema": {"type": "boolean"}}
    wrong = await bo.post("/api/promises/resolve", json={"promise": f"{run}/answer", "value": "perhaps"})
    assert (wrong.status_code, wrong.json()["type"]) == (422, "/problems/not-storable")
    body = {"promise": f"{run}/answer", "value": True}
    assert (await bo.post("/api/promises/resolve", json=body)).json() == {"done": True}
    assert (await bo.post("/api/promises/resolve", json=body)).json() == {"done": False}
    await ended(built, run)
    assert (await bo.get(f"/api/runs/{run}")).json()["result"] is True


async def test_the_house_is_looked_at(built: House) -> None:
    ann = await built.caller("ann", "viewer")
    agents = (await ann.get("/api/agents")).json()
    assert {"agent": "greet", "version": "2"} in agents["hosted"]
    assert len((await ann.get("/api/workers")).json()["workers"]) == 1
    assert (await ann.get("/api/demand", params={"agent": "ask"})).json()["total"] == 0
    await ann.get("/api/runs/a-run-that-is-not-there")
    metrics = (await ann.get("/metrics")).text
    assert "holdfast_commit_seconds" in metrics
    assert 'holdfast_http_requests_total{method="GET",route="/api/runs/{run_id}",status="404"}' in metrics
    assert "a-run-that-is-not-there" not in metrics
    stranger = await built.client()
    assert (await stranger.get("/healthz")).json() == {"status": "ok"}
    assert (await stranger.get("/readyz")).json() == {"status": "ready"}


async def test_a_store_that_is_closed_is_not_ready(built: House) -> None:
    await built.store.close()
    answer = await (await built.client()).get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/store-unusable")


@pytest.mark.parametrize(
    ("method", "path", "how", "status", "type"),
    [
        ("GET", "/api/nothing", {}, 404, "not-found"),
        ("GET", "/api/runs/01/", {}, 404, "not-found"),
        ("PATCH", "/api/runs", {}, 405, "method-not-allowed"),
        ("POST", "/api/runs", {"content": b"agent=greet", "headers": TEXT}, 415, "unsupported-media-type"),
        ("POST", "/api/runs", {"content": b"{", "headers": JSON}, 400, "malformed"),
        ("POST", "/api/runs", {"content": b"[" * 100_000, "headers": JSON}, 400, "malformed"),
        ("POST", "/api/runs", {"json": {"agent": 7}}, 422, "invalid"),
        ("POST", "/api/runs", {"json": {"agent": "a\x00b"}}, 422, "invalid"),
        ("POST", "/api/runs", {"content": b'{"agent": "\\ud800"}', "headers": JSON}, 422, "invalid"),
        ("GET", "/api/runs?limt=3", {}, 422, "invalid"),
        ("GET", "/api/runs?limit=0", {}, 422, "invalid"),
        ("GET", "/api/runs?since=yesterday", {}, 422, "invalid"),
        ("GET", "/api/runs/%00", {}, 422, "invalid"),
        ("GET", "/api/runs/%ff", {}, 404, "unknown-run"),
    ],
)  # fmt: skip
async def test_bad_requests_get_a_problem_that_says_what_is_wrong(
    built: House, method: str, path: str, how: dict[str, object], status: int, type: str
) -> None:
    answer = await (await built.caller()).request(method, path, **how)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["status"]) == (f"/problems/{type}", status)
    assert problem["title"] and problem["detail"] and problem["instance"].startswith("/api/")
    if status == 405:
        assert answer.headers["allow"] == "GET, POST"


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(built: House) -> None:
    root = await built.caller()
    content = b'{"agent": "greet", "input": {"name": "' + b"x" * (25 * 2**20) + b'"}}'
    answer = await root.post("/api/runs", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")
    value = {"agent": "greet", "input": {"name": "x" * (17 * 2**20)}}
    answer = await root.post("/api/runs", json=value)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")
