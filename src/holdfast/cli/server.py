"""``holdfast server``: serves the HTTP API of a store."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated
from urllib.parse import urlsplit

import typer

from holdfast import logs
from holdfast.approvals.notifications.service import Notifications
from holdfast.cli import options
from holdfast.cli.apps import load
from holdfast.cli.inputs import web_address
from holdfast.cli.output import document, say
from holdfast.cli.stores import url_of as store_url
from holdfast.cli.worker import STOP, LogFormat, LogLevel, tell_to_stop
from holdfast.durable.catalog import Catalog
from holdfast.durable.timekeeper import clock_of
from holdfast.errors import BadOption
from holdfast.people import People
from holdfast.runtime import is_server, open_store
from holdfast.store.base import Store

logger = logging.getLogger("holdfast.cli")

Host = Annotated[str, typer.Option(help="The address to listen at.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any that is free.")]
PublicUrl = Annotated[
    str,
    typer.Option(metavar="URL", envvar="HOLDFAST_PUBLIC_URL", help="Where people reach it, through a proxy with TLS."),
]


def server(
    store: options.Store = None,
    app: Annotated[
        str | None,
        typer.Option("--app", metavar="MODULE:APP", help="An app: its default store, and its code to check inputs by."),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    public_url: PublicUrl = "",
    log_format: Annotated[LogFormat, typer.Option(help="How log lines are written.")] = LogFormat.PLAIN,
    log_level: Annotated[LogLevel, typer.Option(help="Which log lines are written.")] = LogLevel.INFO,
    as_json: options.Json = False,
) -> None:
    """Serve the HTTP API of a store, and its pages.

    Says on standard output when it is ready. SIGTERM and SIGINT stop it: streams end, requests have ten seconds. Beyond
    this machine it listens only once somebody is known (`holdfast people add`): put a proxy with TLS in front of it.
    """
    logs.configure(json=log_format is LogFormat.JSON, level=log_level.upper())
    public_url = web_address(public_url, "--public-url") if public_url else ""
    url = store_url(store, app)
    if is_server(url):
        raise BadOption(f"{url} is a server itself: give the database, --store sqlite:///… or postgresql://…")
    catalog = None if app is None else load(app).catalog
    asyncio.run(_serve(url, catalog, host, port, public_url, as_json=as_json))


async def _serve(url: str, catalog: Catalog | None, host: str, port: int, public_url: str, *, as_json: bool) -> None:
    stop = asyncio.Event()
    for number in STOP:
        asyncio.get_running_loop().add_signal_handler(number, tell_to_stop, number, stop)
    opened = await open_store(url)
    try:
        await serve(opened, catalog, host, port, public_url, stop, as_json=as_json)
    finally:
        await opened.close()
    logger.info("stopped")


async def serve(
    store: Store, catalog: Catalog | None, host: str, port: int, public_url: str, stop: asyncio.Event, *,
    as_json: bool, invite: str = "",
) -> None:  # fmt: skip
    """Serve a store's API until told to stop; ``invite`` is whom to make a log-in link for."""
    from holdfast.server import OidcConfig, ServerConfig, create_app  # the other verbs do without a web framework
    from holdfast.server.serving import LOCAL_HOSTS, is_loopback, listening, serving, url_of

    clock = await clock_of(store)
    people = People(store, clock)
    local = is_loopback(host)
    if not local and not await people.any():
        raise BadOption(
            f"nobody is known to {store.url}: `holdfast people add NAME --role admin` before it listens at {host}"
        )
    listener = listening(host, port)
    config = ServerConfig(
        public_url=public_url or url_of(listener), hosts=_hosts(LOCAL_HOSTS, public_url, local=local),
        oidc=OidcConfig.from_environment(),
    )  # fmt: skip
    served = create_app(store, catalog=catalog, config=config, clock=clock)
    async with Notifications(store, clock), serving(served, listener) as at_work:
        link = f"{config.public_url}/login/{await people.sessions.link(invite, by='dev')}" if invite else None
        _say_ready(url_of(listener), store.url, link, as_json=as_json)
        if not await people.any():
            logger.warning("nobody is known yet, so everybody is refused: `holdfast people add NAME --role admin`")
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({stopping, at_work}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()


def _say_ready(url: str, store: str, link: str | None, *, as_json: bool) -> None:
    if as_json:
        document({"event": "ready", "url": url, "store": store, "login": link})
        return
    say(f"ready: {url} serves {store}")
    if link is not None:
        say(f"log in, once, within 15 minutes: {link}")


def _hosts(local_names: tuple[str, ...], public_url: str, *, local: bool) -> tuple[str, ...]:
    """Names to answer to: on this machine its own, so that no page elsewhere can have a browser ask in its name."""
    named = urlsplit(public_url).hostname
    if not local and named is None:
        return ("*",)
    return (*local_names, *([named] if named else []))
