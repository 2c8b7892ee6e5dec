"""Replaying runs in a process of its own, under another hash seed: the order of a set must not decide anything.

The other process calls :func:`main` with ``MODULE:APP STORE``; it prints what diverges, one run a line.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from holdfast.durable.replay import Divergence, divergence
from holdfast.errors import BadOption
from holdfast.records.run import ENDED
from holdfast.records.worker import Hosted
from holdfast.runtime import App, open_store
from holdfast.store.base import RunFilter, Store

_OTHER_SEED = "4242"


async def divergences(app: App[Any], store: Store, deps: Any) -> AsyncIterator[Divergence]:
    """Replay every run that has ended, without executing anything; yields those that do something else."""
    before = None
    while page := await store.find(RunFilter(statuses=tuple(ENDED), before=before)):
        for run in page:
            agent = app.catalog.agents.get(Hosted(agent=run.agent, version=run.version))
            if agent is not None and run.started_at is not None:
                history = await store.load(run.rid)
                loader = functools.partial(store.item_values, run.rid)
                found = divergence(agent, run, history, loader, deps)
                if found is not None:
                    yield found
        before = page[-1].id


def place_of(app: App[Any]) -> str:
    """``module:attribute`` of an app.

    Raises:
        BadOption: it is not a global of a module that another process could import.
    """
    for name, module in list(sys.modules.items()):
        for attribute, value in list(vars(module).items()):
            if value is app and name != "__main__":
                return f"{name}:{attribute}"
    raise BadOption(f"app {app.name!r} is no global of an importable module: another process cannot replay its runs")


async def divergence_under_another_seed(app: App[Any], store_url: str) -> str:
    """Replay every run of a store in another process with another hash seed; what it printed, empty if all is well."""
    environment = os.environ | {"PYTHONHASHSEED": _OTHER_SEED, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", "from holdfast.testing.again import main; main()", place_of(app), store_url]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    text = printed.decode().strip()
    return text if process.returncode == 0 else f"the replay ended with exit code {process.returncode}: {text}"


async def _print_all(place: str, store_url: str) -> None:
    module, _, attribute = place.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    store = await open_store(store_url)
    try:
        async with app.lifespan() as deps:
            async for found in divergences(app, store, deps):
                print(f"run {found.run_id}: {found.what}")
    finally:
        await store.close()


def main() -> None:
    """Replay the runs that the command line names."""
    asyncio.run(_print_all(*sys.argv[1:]))
