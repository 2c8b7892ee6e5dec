"""The application: routes, and what holds of all of them."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from holdfast.approvals.notifications.channels import Channels
from holdfast.approvals.tokens import DecisionTokens
from holdfast.client import Client
from holdfast.clock import Clock, SystemClock
from holdfast.durable.catalog import Catalog
from holdfast.people import People
from holdfast.server import pages, problems
from holdfast.server.edges import RESUME_BODY, BodyLimit, Faultless, JsonOnly, KnownHosts, StrictHeaders
from holdfast.server.house import House, ServerConfig
from holdfast.server.measuring import Measured
from holdfast.server.oidc import Provider
from holdfast.server.refusals import Refusals
from holdfast.server.routes import (
    approvals,
    channels,
    doctor,
    events,
    files,
    health,
    journal,
    keys,
    people,
    promises,
    resume,
    runs,
    workers,
)
from holdfast.store.base import Store

_ROUTERS = (runs, journal, files, promises, approvals, resume, channels, workers, events, people, keys, health, doctor)
_ABOUT = """Runs, what they wait for, and what they ask of people.

Every request says who sends it: `Authorization: Bearer hf_…`, or a browser's session with its CSRF token. Errors are
problem documents (RFC 9457). Lists are read page by page: `next` of a page is the `cursor` (or `after`) of the next.
Nothing changes on GET."""


def create_app(
    store: Store, *, catalog: Catalog | None = None, clock: Clock | None = None, config: ServerConfig | None = None
) -> FastAPI:
    """The ASGI application over an open store, which whoever opened it closes.

    Args:
        store: where everything is.
        catalog: the code of an app, if it is at hand: arguments are checked by its types then, and runs moved.
        clock: tells when; the machine's by default.
        config: how it behaves.

    Example:
        >>> async def main(store):
        ...     app = create_app(store, config=ServerConfig(public_url="https://holdfast.example.com"))
    """
    clock, config = clock or SystemClock(), config or ServerConfig()
    client = Client(store, catalog or Catalog(), clock)
    app = FastAPI(
        title="Holdfast",
        description=_ABOUT,
        version=importlib.metadata.version("holdfast"),
        openapi_url="/api/openapi.json",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        middleware=[
            Middleware(Measured),
            Middleware(StrictHeaders, secure=config.secure),
            Middleware(Faultless),
            Middleware(KnownHosts, hosts=config.hosts),
            Middleware(BodyLimit, limit=config.max_body, less={"/api/resume/": RESUME_BODY}),
            Middleware(JsonOnly),
        ],
    )
    app.state.house = House(
        store=store, client=client, clock=clock, people=People(store, clock), config=config,
        desk=client.inbox, decisions=DecisionTokens(store, clock), channels=Channels(store, clock),
        refusals=Refusals(store, clock),
        provider=None if config.oidc is None else Provider(config.oidc, store, clock),
    )  # fmt: skip
    problems.install(app)
    for module in _ROUTERS:
        app.include_router(module.router)
    pages.install(app)
    app.state.routes = [route for module in (*_ROUTERS, *pages.ROUTERS) for route in module.router.routes]
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Have the document know what problems look like."""
    generate = app.openapi

    def with_problems() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}"))
        return document

    app.openapi = with_problems  # type: ignore[method-assign]  # FastAPI's own way of extending the document
