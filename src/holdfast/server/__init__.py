"""The HTTP API, and the pages for people: an ASGI application over a store."""

from __future__ import annotations

from holdfast.server.app import create_app
from holdfast.server.house import ServerConfig
from holdfast.server.oidc import OidcConfig

__all__ = ["OidcConfig", "ServerConfig", "create_app"]
