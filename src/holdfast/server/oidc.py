"""Logging in through an OpenID Connect provider: code flow with PKCE (RFC 7636), identity from the ID token.

The provider says who somebody is, and which roles they have (a claim); they are made known at their first log-in, and
have the roles of the claim from then on. Needs ``pip install 'holdfast[oidc]'``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from holdfast.clock import SECOND, Clock, new_secret
from holdfast.errors import BadOption, NotAuthenticated, StoreBusy
from holdfast.people import digest_of
from holdfast.people.secret import packed, unpacked
from holdfast.records.document import Put
from holdfast.store.desk import Desk

STATE = "oidc"
_LASTS = 10 * 60 * SECOND
_LEEWAY = 60  # seconds that the provider's clock may differ
_ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OidcConfig:
    """A provider, and what of its claims is used.

    Attributes:
        issuer: its URL; ``/.well-known/openid-configuration`` below it describes it.
        client_id: of this server, as the provider knows it.
        client_secret: likewise.
        label: what the button says.
        name_claim: the claim that is a person's name here.
        roles_claim: the claim that holds their roles: a list of words.
        roles: by value of that claim; values that are not named are not taken. None: all are taken as they are.
        scopes: what the provider is asked for.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    label: str = "single sign-on"
    name_claim: str = "preferred_username"
    roles_claim: str = "roles"
    roles: Mapping[str, str] | None = None
    scopes: str = "openid profile email"

    @classmethod
    def from_environment(cls) -> OidcConfig | None:
        """As ``HOLDFAST_OIDC_ISSUER``, ``…_CLIENT_ID``, ``…_CLIENT_SECRET``, ``…_LABEL``, ``…_NAME_CLAIM``,
        ``…_ROLES_CLAIM`` say; None without an issuer.

        Raises:
            BadOption: the client's id or secret is missing.
        """
        names = ("issuer", "client_id", "client_secret", "label", "name_claim", "roles_claim")
        found = {name: os.environ.get(f"HOLDFAST_OIDC_{name.upper()}", "") for name in names}
        if not found["issuer"]:
            return None
        if not (found["client_id"] and found["client_secret"]):
            raise BadOption("HOLDFAST_OIDC_ISSUER is set: set HOLDFAST_OIDC_CLIENT_ID and …_CLIENT_SECRET too")
        given: dict[str, Any] = {name: value for name, value in found.items() if value}
        return cls(**given)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who somebody is, by the provider's word."""

    name: str
    roles: frozenset[str]


class Provider:
    """An OpenID Connect provider.

    Args:
        config: which one.
        store: keeps what a log-in that has begun needs when it comes back.
        clock: tells when.
        transport: instead of the network, for tests.

    Raises:
        BadOption: authlib is not installed.
    """

    def __init__(
        self, config: OidcConfig, store: Desk, clock: Clock, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self.config = config
        self._store = store
        self._clock = clock
        self._transport = transport
        self._found: dict[str, Any] | None = None

    async def begin(self, redirect_uri: str) -> tuple[str, str]:
        """Where to send a browser, and a secret that it must bring back in a cookie."""
        found = await self._discovered()
        state, nonce, verifier = new_secret(), new_secret(), new_secret()
        body = {"nonce": nonce, "verifier": verifier, "redirect_uri": redirect_uri}
        put = Put(kind=STATE, id=digest_of(state), revision=0, body=packed(body), expires_at=self._clock.now() + _LASTS)
        await self._store.put([put])
        async with self._client(redirect_uri) as client:
            url, _ = client.create_authorization_url(
                found["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return str(url), state

    async def finish(self, code: str, state: str, cookie: str) -> Identity:
        """Who has come back.

        Raises:
            NotAuthenticated: they did not begin here, or the provider does not say who they are.
        """
        begun = await self._begun(state, cookie)
        found = await self._discovered()
        async with self._client(begun["redirect_uri"]) as client:
            try:
                answer = await client.fetch_token(
                    found["token_endpoint"], grant_type="authorization_code", code=code, code_verifier=begun["verifier"]
                )
                keys = KeySet.import_key_set(
                    (await client.request("GET", found["jwks_uri"], withhold_token=True)).json()
                )
            except Exception as error:  # authlib raises of many kinds, and so may what a provider answers
                raise NotAuthenticated(f"the provider does not confirm this log-in ({type(error).__name__})") from error
        return self._identity(str(answer.get("id_token", "")), keys, begun["nonce"])

    # -- inside

    async def _begun(self, state: str, cookie: str) -> dict[str, Any]:
        document = await self._store.document(STATE, digest_of(state), now=self._clock.now())
        if document is None or state != cookie:
            raise NotAuthenticated("this log-in was not begun in this browser, or took too long: try again")
        gone = Put(kind=STATE, id=document.id, revision=document.revision, body=None)
        if not await self._store.put([gone]):
            raise NotAuthenticated("this log-in was finished before: try again")
        body: dict[str, Any] = unpacked(document.body)
        return body

    def _identity(self, token: str, keys: KeySet, nonce: str) -> Identity:
        wanted = jwt.JWTClaimsRegistry(
            now=self._clock.now() // SECOND, leeway=_LEEWAY,
            iss=_exactly(self.config.issuer), aud=_exactly(self.config.client_id), nonce=_exactly(nonce),
            exp={"essential": True}, sub={"essential": True},
        )  # fmt: skip
        try:
            claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
            wanted.validate(claims)
        except (JoseError, ValueError) as error:
            raise NotAuthenticated(f"the provider's ID token is not valid ({type(error).__name__})") from error
        name = claims.get(self.config.name_claim)
        if not isinstance(name, str) or not name:
            raise NotAuthenticated(f"the provider's ID token has no claim {self.config.name_claim!r} to name you by")
        return Identity(name=name, roles=self._roles(claims.get(self.config.roles_claim)))

    def _roles(self, said: object) -> frozenset[str]:
        words = [said] if isinstance(said, str) else said if isinstance(said, list) else []
        given = [word for word in words if isinstance(word, str)]
        if self.config.roles is None:
            return frozenset(given)
        return frozenset(self.config.roles[word] for word in given if word in self.config.roles)

    async def _discovered(self) -> dict[str, Any]:
        if self._found is None:
            url = f"{self.config.issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                async with httpx2.AsyncClient(transport=self._transport, timeout=10) as client:
                    found = (await client.get(url)).raise_for_status().json()
            except (httpx2.HTTPError, json.JSONDecodeError) as error:
                raise StoreBusy(f"the log-in provider at {url} does not answer: {error}") from error
            if found.get("issuer") != self.config.issuer:
                raise BadOption(f"{url} describes {found.get('issuer')!r}, another issuer than {self.config.issuer!r}")
            self._found = found
        return self._found

    def _client(self, redirect_uri: str) -> Any:
        try:
            from authlib.integrations.httpx_client import AsyncOAuth2Client  # an extra
        except ImportError as error:
            raise BadOption("OpenID Connect needs the package authlib: pip install 'holdfast[oidc]'") from error
        return AsyncOAuth2Client(
            self.config.client_id, self.config.client_secret, scope=self.config.scopes, redirect_uri=redirect_uri,
            code_challenge_method="S256", transport=self._transport, timeout=10,
        )  # fmt: skip


def _exactly(value: str) -> Any:
    return {"essential": True, "value": value}
