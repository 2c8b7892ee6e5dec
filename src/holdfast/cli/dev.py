"""``holdfast dev``: a worker and a server in one process, begun again when the code changes."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast import logs
from holdfast.cli import options
from holdfast.cli.apps import load
from holdfast.cli.codes import Exit
from holdfast.cli.server import Port, serve
from holdfast.cli.worker import STOP, LogLevel, leave_threads_behind, tell_to_stop
from holdfast.clock import SystemClock
from holdfast.errors import BadOption
from holdfast.people import People
from holdfast.runtime import App, is_server

logger = logging.getLogger("holdfast.cli")

_ADMIN = "admin"
_HOST = "127.0.0.1"
_GRACE_S = 30.0


def dev(
    place: options.AppName,
    store: options.AppStore = None,
    port: Port = 8080,
    reload: Annotated[bool, typer.Option(help="Begin again when a Python file here changes.")] = True,
    link: Annotated[bool, typer.Option(help="Make a local admin and print a link that logs in, once.")] = True,
    log_level: Annotated[LogLevel, typer.Option(help="Which log lines are written.")] = LogLevel.INFO,
    as_json: options.Json = False,
) -> None:
    """Host an app's agents and serve the HTTP API on this machine, for development.

    The store is the embedded one unless another is named. When code changes, the process is begun again and runs go on
    from their journals. SIGTERM and SIGINT stop it.
    """
    logs.configure(json=False, level=log_level.upper())
    if store is not None and is_server(store):
        raise BadOption(f"{store} is a server: dev runs a worker, which needs the database itself")
    if not reload:
        asyncio.run(_run(load(place), store, port, link=link, as_json=as_json))
        return
    _look_whether_free(port)
    options_of_child = ["--port", str(port), "--log-level", str(log_level)]
    options_of_child += ["--store", store] if store is not None else []
    options_of_child += ["--json"] if as_json else []
    asyncio.run(_Reloader(place, options_of_child, link=link).run())


def _look_whether_free(port: int) -> None:
    """Whoever waits for changed code would wait in vain: no change frees a port."""
    from holdfast.server.serving import listening  # the other verbs do without a web framework

    if port:
        listening(_HOST, port).close()


async def _run(app: App[Any], store: str | None, port: int, *, link: bool, as_json: bool) -> None:
    stop = asyncio.Event()
    for number in STOP:
        asyncio.get_running_loop().add_signal_handler(number, tell_to_stop, number, stop)
    async with app.open(store) as runtime:
        if link:
            await People(runtime.store, SystemClock()).ensure(_ADMIN, [_ADMIN], by="dev")
        await serve(
            runtime.store, app.catalog, _HOST, port, "", stop, as_json=as_json, invite=_ADMIN if link else ""
        )  # fmt: skip
    leave_threads_behind()


class _Reloader:
    """Keeps a child process going, and begins it again when code changes."""

    def __init__(self, place: str, given: list[str], *, link: bool) -> None:
        self._command = [sys.executable, "-m", "holdfast", "dev", place, "--no-reload", *given]
        self._link = link
        self._child: asyncio.subprocess.Process | None = None
        self._watched: asyncio.Future[None] | None = None

    async def run(self) -> None:
        import watchfiles  # the other verbs do without it

        stop = asyncio.Event()
        for number in STOP:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        changes = watchfiles.awatch(
            Path.cwd(), watch_filter=watchfiles.PythonFilter(), stop_event=stop, raise_interrupt=False
        )
        while True:
            next_change = asyncio.ensure_future(anext(changes, None))
            await asyncio.sleep(0)  # it watches from here on: what changes while the child begins is seen
            await self._begin()
            try:
                changed = await next_change
                if not changed:
                    return
                logger.info("%s changed: beginning again", ", ".join(sorted(Path(path).name for _, path in changed)))
            finally:
                await self._end()

    async def _begin(self) -> None:
        child = await asyncio.create_subprocess_exec(*self._command, "--link" if self._link else "--no-link")
        self._child, self._watched = child, asyncio.ensure_future(self._watch(child))
        self._link = False  # a link once is enough: sessions outlive the process

    async def _watch(self, child: asyncio.subprocess.Process) -> None:
        code = await child.wait()
        if child is self._child and code not in (Exit.OK, Exit.INTERRUPTED):
            logger.error("the process has ended (exit code %d): it begins again when a Python file here changes", code)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is None or child.returncode is not None:
            return
        child.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), _GRACE_S)
        except TimeoutError:
            logger.warning("the process did not end within %.0f s: it is killed, its runs go on elsewhere", _GRACE_S)
            child.kill()
            await child.wait()
