"""``holdfast worker``: hosts an app's agents until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from holdfast import logs
from holdfast.cli import options
from holdfast.cli.apps import load
from holdfast.cli.output import document, say
from holdfast.cli.views import hosts_text
from holdfast.errors import BadOption
from holdfast.runtime import App, Runtime
from holdfast.settings import Settings
from holdfast.telemetry.metrics import Exposition
from holdfast.wire.house import worker_json

logger = logging.getLogger("holdfast.cli")

STOP = (signal.SIGTERM, signal.SIGINT)
"""Signals that stop a process that serves."""
_CENSUS = 15.0  # seconds between counts of the runs, where their number is served
_ECHO = 1.0  # seconds; what passes signals on (timeout, a shell, uv) often delivers the same one twice


class LogFormat(StrEnum):
    """How log lines are written."""

    PLAIN = "plain"
    JSON = "json"


class LogLevel(StrEnum):
    """Which log lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def worker(
    place: options.AppName,
    store: options.AppStore = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="How many runs may be in memory at once.")] = None,
    agents: Annotated[str | None, typer.Option(metavar="A,B", help="Host these agents only.")] = None,
    grace: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="How long steps may go on when it is told to stop.")
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="How log lines are written (to standard error).")
    ] = LogFormat.PLAIN,
    log_level: Annotated[LogLevel, typer.Option(help="Which log lines are written.")] = LogLevel.INFO,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, envvar="HOLDFAST_METRICS_PORT", help="Serve Prometheus metrics there; 0: any free port."
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(envvar="HOLDFAST_METRICS_HOST", help="The address at which they are served.")
    ] = "127.0.0.1",
    as_json: options.Json = False,
) -> None:
    """Host an app's agents.

    Says on standard output when it is ready. SIGTERM and SIGINT stop it in an orderly way: steps that are at work may
    end, within --grace (10 s); then all runs are handed back to the queue for others. A second signal ends it at once.
    """
    logs.configure(json=log_format is LogFormat.JSON, level=log_level.upper())
    app = load(place)
    settings = Settings.from_environment()
    if concurrency is not None:
        settings = replace(settings, concurrency=concurrency)
    if grace is not None:
        settings = replace(settings, stop_grace=grace)
    with _exposition(metrics_host, metrics_port) as url:
        if url is not None:
            settings = replace(settings, census=settings.census or _CENSUS)
        asyncio.run(_host(app, store, settings, names(agents), url, as_json=as_json))


@contextmanager
def _exposition(host: str, port: int | None) -> Iterator[str | None]:
    """Serve the metrics meanwhile, if they are wanted; gives their URL."""
    if port is None:
        yield None
        return
    exposition = Exposition(host, port)
    try:
        yield exposition.url
    finally:
        exposition.close()


async def _host(
    app: App[Any],
    store: str | None,
    settings: Settings,
    agents: list[str] | None,
    metrics: str | None,
    *,
    as_json: bool,
) -> None:
    stop = asyncio.Event()
    async with app.open(store, settings=settings, agents=agents) as runtime:
        for number in STOP:
            asyncio.get_running_loop().add_signal_handler(number, tell_to_stop, number, stop)
        await _say_ready(runtime, metrics, as_json=as_json)
        await stop.wait()
    logger.info("stopped: the runs are handed back")
    leave_threads_behind()


def tell_to_stop(number: signal.Signals, stop: asyncio.Event) -> None:
    """Handle a signal: stop in an orderly way; another one ends the process at once."""
    if stop.is_set():
        return
    stop.set()
    logger.info("%s: finishing the steps that are at work; a second signal ends the process at once", number.name)
    asyncio.get_running_loop().call_later(_ECHO, _let_signals_kill)


def _let_signals_kill() -> None:
    for each in STOP:
        asyncio.get_running_loop().remove_signal_handler(each)
        signal.signal(each, signal.SIG_DFL)


async def _say_ready(runtime: Runtime, metrics: str | None, *, as_json: bool) -> None:
    own = next(one for one in await runtime.workers() if one.id == runtime.worker.id)
    if as_json:
        document({"event": "ready", "store": runtime.store.url, "metrics": metrics} | worker_json(own))
    else:
        shown = "" if metrics is None else f"; metrics at {metrics}"
        say(f"ready: worker {own.id} hosts {hosts_text(own)} on {runtime.store.url}{shown}")


def leave_threads_behind() -> None:
    """A sync step that outlived the grace must not keep the process: the interpreter would wait for its thread."""
    if any(thread.name.startswith("holdfast-step") for thread in threading.enumerate()):
        logger.warning("a sync step is still at work: its process ends without it, another worker repeats it")
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def names(agents: str | None) -> list[str] | None:
    """The names in ``A,B``; None if the option is not given.

    Raises:
        BadOption: it names none.
    """
    if agents is None:
        return None
    names = [name.strip() for name in agents.split(",") if name.strip()]
    if not names:
        raise BadOption("--agents names none: write --agents adjust,settle, or leave it out for all")
    return names
