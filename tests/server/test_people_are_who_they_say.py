"""Who asks is known by a token or a session; what they may do is what their roles and their token say."""

from __future__ import annotations

import re

import httpx2
import pytest

from holdfast.clock import SECOND
from holdfast.people import digest_of
from holdfast.people.sessions import LASTS, LINK_LASTS
from holdfast.records.document import Put
from holdfast.server import ServerConfig, create_app
from tests.server.house import House, greet

HOUR = 3600 * SECOND
READS = ["/api/runs", "/api/agents", "/api/workers", "/api/demand", "/metrics", "/api/runs/x", "/api/runs/x/journal"]


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def test_nobody_is_told_anything(built: House) -> None:
    stranger = await built.client()
    for path in [*READS, "/api/people", "/api/tokens", "/api/me", "/api/approvals", "/api/events"]:
        answer = await stranger.get(path)
        assert problem(answer) == (401, "not-authenticated"), path
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer hf_wrong", "Bearer ", "Basic cm9vdDpyb290", "hf_", "Bearer \udcff"])
async def test_a_header_that_is_no_token_is_refused(built: House, header: str) -> None:
    answer = await (await built.client()).get(
        "/api/me", headers={"authorization": header.encode("utf-8", "surrogateescape")}
    )
    assert problem(answer) == (401, "not-authenticated")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", {"read"}),
        ("starter", {"read", "start"}),
        ("operator", {"read", "start", "operate"}),
        ("reviewer", {"decide"}),
        ("adjuster", {"decide"}),
        ("admin", {"read", "start", "operate", "decide", "admin"}),
    ],
)
async def test_roles_say_what_people_may_do(built: House, role: str, may: set[str]) -> None:
    ann = await built.caller("ann", role)
    assert set((await ann.get("/api/me")).json()["scopes"]) == may
    wanted = {
        "read": await ann.get("/api/runs"),
        "start": await ann.post("/api/runs", json={"agent": "greet", "input": ["bo"]}),
        "operate": await ann.get("/api/retention"),
        "admin": await ann.get("/api/people"),
    }
    for scope, answer in wanted.items():
        assert (answer.status_code < 300) == (scope in may), (scope, answer.text)
        if scope not in may:
            assert problem(answer) == (403, "scope-missing")
            assert scope in answer.json()["detail"]


async def test_a_token_allows_no_more_than_its_scopes(built: House) -> None:
    narrow = await built.caller("root", "admin", scopes=("read",))
    assert (await narrow.get("/api/runs")).status_code == 200
    assert problem(await narrow.get("/api/people")) == (403, "scope-missing")
    run = await built.start(greet("bo"))
    assert problem(await narrow.post(f"/api/runs/{run}/cancel", json={})) == (403, "scope-missing")


async def test_a_revoked_token_is_worth_nothing_from_its_next_use_on(built: House) -> None:
    root, ann = await built.caller(), await built.caller("ann", "viewer")
    (token,) = (await root.get("/api/tokens", params={"person": "ann"})).json()["tokens"]
    assert (await ann.get("/api/runs")).status_code == 200
    assert (await root.delete(f"/api/tokens/{token['id']}")).json()["person"] == "ann"
    assert problem(await ann.get("/api/runs")) == (401, "not-authenticated")
    assert (await root.delete(f"/api/tokens/{token['id']}")).status_code == 404


async def test_a_token_expires(built: House) -> None:
    root = await built.caller()
    await root.post("/api/people", json={"name": "ann", "roles": ["viewer"]})
    made = await root.post("/api/tokens", json={"person": "ann", "scopes": ["read"], "lasts": "1h", "label": "ci"})
    client = await built.client({"Authorization": f"Bearer {made.json()['secret']}"})
    assert (await client.get("/api/runs")).status_code == 200
    built.clock.set(built.clock.now() + HOUR)
    assert problem(await client.get("/api/runs")) == (401, "not-authenticated")


async def test_only_digests_of_secrets_are_kept(built: House, url: str) -> None:
    secret = await built.token("ann", "viewer")
    link = await built.people.sessions.link("ann", by="test")
    now = built.clock.now()
    kept = [one for kind in ("token", "link") for one in await built.store.documents(kind, now=now)]
    assert digest_of(secret) in {one.id for one in kept}
    assert not any(word in (one.id.encode() + one.body) for one in kept for word in (secret.encode(), link.encode()))


async def test_the_last_use_of_a_token_is_known_to_the_minute(built: House) -> None:
    ann = await built.caller("ann", "viewer")
    (token,) = await built.people.tokens.list("ann")
    assert token.used_at is None
    await ann.get("/api/runs")
    (token,) = await built.people.tokens.list("ann")
    first = token.used_at
    assert first == built.clock.now()
    built.clock.set(built.clock.now() + 61 * SECOND)
    await ann.get("/api/runs")
    (token,) = await built.people.tokens.list("ann")
    assert token.used_at == first + 61 * SECOND


async def test_other_roles_count_from_the_next_request_on(built: House) -> None:
    root, ann = await built.caller(), await built.caller("ann", "viewer")
    assert (await ann.get("/api/runs")).status_code == 200
    await root.put("/api/people/ann/roles", json={"roles": ["reviewer"]})
    assert problem(await ann.get("/api/runs")) == (403, "scope-missing")
    await root.delete("/api/people/ann")
    assert problem(await ann.get("/api/me")) == (401, "not-authenticated")
    assert await built.people.tokens.list("ann") == []


@pytest.mark.parametrize("name", ["", "role:lead", "<b>", "a b", "a/b", "x" * 101, "deadline", "ann "])
async def test_names_that_could_be_taken_for_something_else_are_refused(built: House, name: str) -> None:
    root = await built.caller()
    assert (await root.post("/api/people", json={"name": name, "roles": []})).status_code == 422
    assert (await root.post("/api/people", json={"name": "ann", "roles": [name]})).status_code == (
        201 if name == "deadline" else 422
    )


async def test_what_admins_do_to_people_is_audited(built: House) -> None:
    root = await built.caller()
    await root.post("/api/people", json={"name": "ann", "roles": ["viewer"]})
    await root.post("/api/tokens", json={"person": "ann", "scopes": ["read"]})
    await root.delete("/api/people/ann")
    done = [entry.action for entry in await built.store.audited(actor="root")]
    assert done == ["person.added", "token.issued", "person.removed", "token.revoked"]


# -- sessions of browsers


async def logged_in(built: House, *roles: str) -> tuple[httpx2.AsyncClient, str]:
    """A browser of ann's, and the CSRF token that its pages hold."""
    await built.people.ensure("ann", roles or ("admin",), by="test")
    browser = await built.client()
    await browser.post(f"/login/{await built.people.sessions.link('ann', by='test')}")
    found = re.search(r'name="csrf" value="([^"]+)"', (await browser.get("/", follow_redirects=True)).text)
    assert found is not None
    return browser, found[1]


async def test_a_link_logs_in_once(built: House) -> None:
    await built.people.add("ann", ["viewer"], by="test")
    secret = await built.people.sessions.link("ann", by="test")
    browser, thief = await built.client(), await built.client()
    assert (await browser.post(f"/login/{secret}")).status_code == 303
    assert (await browser.get("/api/me")).json()["name"] == "ann"
    again = await thief.post(f"/login/{secret}")
    assert (again.status_code, "set-cookie" in again.headers) == (410, False)
    assert "used already" in again.text


async def test_a_scanner_that_follows_a_link_changes_nothing(built: House) -> None:
    await built.people.add("ann", ["viewer"], by="test")
    secret = await built.people.sessions.link("ann", by="test")
    browser = await built.client()
    for method in ("GET", "HEAD", "GET"):
        seen = await browser.request(method, f"/login/{secret}")
        assert "set-cookie" not in seen.headers
    assert "Log in as ann" in seen.text
    assert (await browser.post(f"/login/{secret}")).status_code == 303


async def test_links_and_sessions_expire(built: House) -> None:
    await built.people.add("ann", ["viewer"], by="test")
    secret = await built.people.sessions.link("ann", by="test")
    built.clock.set(built.clock.now() + LINK_LASTS)
    assert (await (await built.client()).post(f"/login/{secret}")).status_code == 410
    browser, _ = await logged_in(built)
    built.clock.set(built.clock.now() + LASTS)
    assert problem(await browser.get("/api/me")) == (401, "not-authenticated")


async def test_nothing_of_somebody_who_was_removed_is_good_for_who_has_their_name_next(built: House) -> None:
    browser, _ = await logged_in(built)
    link = await built.people.sessions.link("ann", by="test")
    token = await built.token("ann")
    (kept,) = await built.store.documents("token", now=built.clock.now())
    await built.people.remove("ann", by="test")
    built.clock.set(built.clock.now() + 1)
    await built.people.add("ann", ["admin"], by="test")
    await built.store.put([Put(kind="token", id=kept.id, revision=0, body=kept.body)])  # a crash before it was revoked
    assert problem(await browser.get("/api/me")) == (401, "not-authenticated")
    by_token = await built.client({"Authorization": f"Bearer {token}"})
    assert problem(await by_token.get("/api/me")) == (401, "not-authenticated")
    stranger = await built.client()
    assert (await stranger.get(f"/login/{link}")).status_code == 410
    assert (await stranger.post(f"/login/{link}")).status_code == 410
    await logged_in(built)


async def test_logging_in_again_ends_the_session_before(built: House) -> None:
    browser, _ = await logged_in(built)
    old = dict(browser.cookies)
    await browser.post(f"/login/{await built.people.sessions.link('ann', by='test')}")
    assert dict(browser.cookies) != old
    assert (await browser.get("/api/me")).status_code == 200
    with_old = await built.client({"cookie": "; ".join(f"{name}={value}" for name, value in old.items())})
    assert problem(await with_old.get("/api/me")) == (401, "not-authenticated")


async def test_a_session_changes_nothing_without_its_csrf_token(built: House) -> None:
    browser, csrf = await logged_in(built)
    body = {"name": "bo", "roles": []}
    for headers in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "ü".encode()}):
        refused = await browser.post("/api/people", json=body, headers=headers)
        assert problem(refused) == (403, "forbidden"), headers
    assert (await browser.post("/api/people", json=body, headers={"X-CSRF-Token": csrf})).status_code == 201
    assert (await browser.post("/logout", data={"csrf": "wrong"})).status_code == 403
    assert (await browser.get("/api/me")).status_code == 200
    assert (await browser.post("/logout", data={"csrf": csrf})).status_code == 303
    assert problem(await browser.get("/api/me")) == (401, "not-authenticated")


async def test_another_site_cannot_log_somebody_in(built: House) -> None:
    await built.people.add("eve", ["viewer"], by="test")
    secret = await built.people.sessions.link("eve", by="test")
    answer = await (await built.client()).post(f"/login/{secret}", headers={"sec-fetch-site": "cross-site"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize(("public", "name"), [("", "holdfast_session"), ("https://hold.example", "__Host-holdfast")])
async def test_no_cookie_goes_without_its_flags(built: House, public: str, name: str) -> None:
    built.api = create_app(built.store, clock=built.clock, config=ServerConfig(public_url=public))
    await built.people.add("ann", ["viewer"], by="test")
    secret = await built.people.sessions.link("ann", by="test")
    answer = await (await built.client(url=public or "http://test")).post(f"/login/{secret}")
    value, *flags = answer.headers["set-cookie"].split("; ")
    assert value.startswith(f"{name}=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(flags)
    assert ("Secure" in flags) == bool(public)
    assert not any(flag.startswith("Domain") for flag in flags)
    assert ("strict-transport-security" in answer.headers) == bool(public)
