"""What browsers are told to obey; and whatever is in a field comes out as text."""

from __future__ import annotations

import pytest

from holdfast.server import ServerConfig, create_app
from tests.server.house import House, ended, fail

SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "path", ["/login", "/login/none", "/healthz", "/api/runs", "/api/openapi.json", "/static/none"]
)
async def test_every_answer_has_strict_headers(built: House, path: str) -> None:
    headers = (await (await built.client()).get(path)).headers
    policy = dict(one.strip().partition(" ")[::2] for one in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


async def test_script_in_a_field_comes_back_as_data(built: House) -> None:
    root = await built.caller()
    run = await built.start(fail(SCRIPT), tags=[SCRIPT])
    await ended(built, run)
    for path in (f"/api/runs/{run}", f"/api/runs/{run}/journal", f"/api/runs/{SCRIPT}", f"/api/people/{SCRIPT}/links"):
        answer = await root.get(path)
        assert answer.headers["content-type"] in ("application/json", "application/problem+json")
    assert (await root.get(f"/api/runs/{run}")).json()["error"]["message"] == SCRIPT


async def test_pages_show_text_not_markup(built: House) -> None:
    from holdfast.server.pages.rendering import page

    shown = page("login.html", problem=SCRIPT).body.decode()
    assert SCRIPT not in shown
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown and " style=" not in shown and "onclick" not in shown


async def test_a_name_that_is_not_the_servers_is_refused(built: House) -> None:
    built.api = create_app(built.store, config=ServerConfig(hosts=("127.0.0.1", "localhost", "::1")))
    for host, status in (("localhost:8080", 200), ("[::1]:8080", 200), ("evil.example", 400), ("a b", 400), ("", 400)):
        answer = await (await built.client()).get("/login", headers={"host": host})
        assert answer.status_code == status, host
        assert (await (await built.client()).get("/healthz", headers={"host": host})).status_code == 200  # probes


async def test_a_fault_says_nothing_of_what_is_inside(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("secret inside")

    monkeypatch.setattr(built.store, "find", broken)
    answer = await (await built.caller()).get("/api/runs")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/fault")
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_nothing_changes_on_get(built: House) -> None:
    paths = create_app(built.store).openapi()["paths"]
    root = await built.caller()
    before = [await built.store.count(), len(await built.store.audited(limit=1000))]
    for path, item in paths.items():
        if "get" in item and "{" not in path and not path.endswith("/events") and "approvals" not in path:
            await root.get(path)
    assert [await built.store.count(), len(await built.store.audited(limit=1000))] == before
