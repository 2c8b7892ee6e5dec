"""OpenID Connect: who the provider vouches for logs in, with the roles of a claim; nobody else does."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi import FastAPI, Request
from joserfc import jwt
from joserfc.jwk import RSAKey

from holdfast.clock import SECOND
from holdfast.server.oidc import OidcConfig, Provider
from tests.server.house import House
from tests.server.test_people_are_who_they_say import problem

ISSUER = "https://id.example"
KEY = RSAKey.generate_key(2048, parameters={"kid": "one"})
OTHER = RSAKey.generate_key(2048, parameters={"kid": "one"})


class LocalProvider:
    """A small provider: it lets everybody in as ann, and holds clients to PKCE."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.claims: dict[str, Any] = {}
        self.key = KEY
        self._now = now
        self._codes: dict[str, dict[str, str]] = {}
        self.app = FastAPI()
        self.app.get("/.well-known/openid-configuration")(self.describe)
        self.app.get("/keys")(self.keys)
        self.app.post("/token")(self.token)

    async def describe(self) -> dict[str, str]:
        ends = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return {"issuer": ISSUER} | {name: f"{ISSUER}{path}" for name, path in ends.items()}

    async def keys(self) -> dict[str, Any]:
        return {"keys": [KEY.as_dict(private=False)]}

    def authorize(self, url: str) -> str:
        """What a person's click at the provider leads back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return f"{urlsplit(asked['redirect_uri']).path}?code={code}&state={asked['state']}"

    async def token(self, request: Request) -> dict[str, Any]:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self._codes.pop(form["code"])
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        assert challenge.rstrip("=") == asked["code_challenge"]
        now = self._now() // SECOND
        claims = {
            "iss": ISSUER, "aud": "holdfast", "sub": "1", "iat": now, "exp": now + 60, "nonce": asked["nonce"],
            "preferred_username": "ann", "roles": ["adjuster"],
        } | self.claims  # fmt: skip
        return {
            "access_token": "a",
            "token_type": "Bearer",
            "id_token": jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key),
        }


@pytest.fixture
def provider(built: House) -> LocalProvider:
    local = LocalProvider(built.clock.now)
    config = OidcConfig(issuer=ISSUER, client_id="holdfast", client_secret="s", label="the house's <id>")
    transport = httpx2.ASGITransport(app=local.app)
    built.api.state.house.provider = Provider(config, built.store, built.clock, transport)
    return local


async def sent(built: House, browser: httpx2.AsyncClient) -> str:
    """Where the provider's page is that a browser is sent to."""
    answer = await browser.post("/sso")
    assert answer.status_code == 303
    assert re.search(
        r"holdfast_login=[^;]+; HttpOnly; Max-Age=600; Path=/sso/back; SameSite=lax", answer.headers["set-cookie"]
    )
    return str(answer.headers["location"])


async def test_whom_the_provider_vouches_for_logs_in_with_their_roles(built: House, provider: LocalProvider) -> None:
    browser = await built.client()
    assert "the house&#39;s &lt;id&gt;" in (await browser.get("/login")).text
    back = await browser.get(provider.authorize(await sent(built, browser)))
    assert (back.status_code, back.headers["location"]) == (303, "/")
    me = (await browser.get("/api/me")).json()
    assert (me["name"], me["roles"]) == ("ann", ["adjuster"])
    provider.claims = {"roles": ["viewer", 7]}
    await browser.get(provider.authorize(await sent(built, browser)))
    assert (await browser.get("/api/me")).json()["roles"] == ["viewer"]


async def test_they_come_to_the_page_that_they_had_opened(built: House, provider: LocalProvider) -> None:
    browser = await built.client()
    assert (await browser.get("/inbox?risk=50")).headers["location"] == "/login"
    back = await browser.get(provider.authorize(await sent(built, browser)))
    assert (back.status_code, back.headers["location"]) == (303, "/inbox?risk=50")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"}, {"aud": "another"}, {"nonce": "another"}, {"exp": 1}, {"sub": None},
        {"preferred_username": ""}, {"preferred_username": 7}, {"preferred_username": "role:admin"},
    ],
)  # fmt: skip
async def test_a_token_that_is_not_for_this_log_in_is_refused(
    built: House, provider: LocalProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    browser = await built.client()
    refused = await browser.get(provider.authorize(await sent(built, browser)))
    assert refused.status_code == 401
    assert problem(await browser.get("/api/me")) == (401, "not-authenticated")


async def test_a_token_of_another_key_is_refused(built: House, provider: LocalProvider) -> None:
    provider.key = OTHER
    browser = await built.client()
    assert (await browser.get(provider.authorize(await sent(built, browser)))).status_code == 401


async def test_a_log_in_ends_in_the_browser_in_which_it_began_and_once(built: House, provider: LocalProvider) -> None:
    browser, thief = await built.client(), await built.client()
    back = provider.authorize(await sent(built, browser))
    assert (await thief.get(back)).status_code == 401
    assert (await browser.get(back)).status_code == 303
    assert (await (await built.client()).get(back)).status_code == 401
    for odd in ("/sso/back", "/sso/back?code=x", "/sso/back?code=x&state=y", "/sso/back?error=access_denied"):
        assert (await browser.get(odd)).status_code == 401


async def test_a_server_without_a_provider_says_so(built: House) -> None:
    browser = await built.client()
    assert (await browser.post("/sso")).status_code == 404
    assert "/sso" not in (await browser.get("/login")).text
