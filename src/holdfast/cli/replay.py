"""``holdfast replay``: holds recorded runs against the present code, without executing an effect."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli import options
from holdfast.cli.apps import load
from holdfast.cli.codes import Exit, code_of
from holdfast.cli.output import document, say
from holdfast.cli.problems import tell
from holdfast.cli.query import asks_for_anything, found, takes_query
from holdfast.cli.stores import client_of
from holdfast.console import harmless
from holdfast.durable.absent import stand_in
from holdfast.durable.holding import hold
from holdfast.durable.recording import Recording, load_recording, read_recording
from holdfast.durable.replay import PATIENCE, Divergence
from holdfast.errors import BadOption, HoldfastError, NotFound
from holdfast.runtime import App
from holdfast.store.base import RunFilter

Source = Callable[[], Awaitable[Recording]]


@takes_query
def replay(
    which: RunFilter,
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="Journal files, folders of them (*.jsonl), or ids of runs."),
    ] = None,
    *,
    place: options.AppName,
    limit: Annotated[int, typer.Option(min=1, help="How many runs of a query, the newest first.")] = 1000,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Do not stop at the first that diverges.")] = False,
    lifespan: Annotated[
        bool, typer.Option("--lifespan", help="Enter the app's lifespan, for bodies that use ctx.deps themselves.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that a body may take.")] = PATIENCE,
    store: options.AppStore = None,
    as_json: options.Json = False,
) -> int:
    """Hold recorded runs against the present code, without executing an effect: for CI.

    Runs are those of the TARGETs, or without any those of the store that match the query. A run that has ended must
    come to the same end by the same calls; one that has not must fit as far as it is recorded. Steps, tools and
    children are not executed: the body is given what is recorded of them. Says where a run diverges, and exits with 7.
    """
    if targets and asks_for_anything(which):
        raise BadOption("give files and ids, or options that choose runs, not both")
    app = load(place)
    report = _Report(as_json=as_json)
    work = _Work(app=app, lifespan=lifespan, seconds=timeout, keep_going=keep_going, report=report)
    asyncio.run(_replay(work, targets or [], replace(which, limit=limit), store, place))
    return report.conclude(keep_going=keep_going)


@dataclass(kw_only=True, slots=True)
class _Report:
    """What is said, and the exit code."""

    as_json: bool
    replayed: int = 0
    matching: int = 0  # runs of the query, whatever the limit
    diverged: list[dict[str, Any]] = field(default_factory=list)
    code: Exit = Exit.OK

    def diverges(self, recording: Recording, found: Divergence) -> None:
        run = recording.run
        who = {"run": run.id, "agent": run.agent, "version": run.version, "source": recording.source}
        told = {name: value for name, value in asdict(found).items() if name != "run_id"}
        self.diverged.append(who | told)
        self.code = self.code or Exit.DIVERGED
        if not self.as_json:
            place = f" at entry {found.entry}" if found.entry is not None else ""
            whose = f"run {run.id} (agent {run.agent} version {run.version}, {recording.source})"
            say(harmless(f"{whose} diverges{place}: {found.what}"))
            for name, value in (("recorded", found.recorded), ("asked", found.asked)):
                if value and value not in found.what:
                    say(harmless(f"  {name}: {value}"))

    def fails(self, error: HoldfastError) -> None:
        self.code = self.code or code_of(error)
        tell(type(error).__name__, str(error), code_of(error), as_json=self.as_json)

    def conclude(self, *, keep_going: bool) -> Exit:
        if self.as_json:
            document({"replayed": self.replayed, "diverged": self.diverged})
            return self.code
        said = f"{self.replayed} run{'' if self.replayed == 1 else 's'} replayed"
        if self.matching > self.replayed and (keep_going or not self.diverged):
            said += f", the newest of {self.matching} that match (see --limit)"
        if self.diverged:
            many = len(self.diverged)
            count = f", {many} diverge{'s' if many == 1 else ''}"
            said += count if keep_going else ", up to the first that diverges; --keep-going replays all"
        say(said)
        return self.code


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    """How to replay, and whom to tell."""

    app: App[Any]
    lifespan: bool
    seconds: float
    keep_going: bool
    report: _Report

    async def through(self, sources: AsyncIterator[Source]) -> None:
        """Replay each, to the first that diverges."""
        async with AsyncExitStack() as stack:
            deps = await stack.enter_async_context(self.app.lifespan()) if self.lifespan else None
            async for source in sources:
                if not await self._one(source, deps) and not self.keep_going:
                    return

    async def _one(self, source: Source, deps: Any) -> bool:
        try:
            recording = await source()
            given = deps if self.lifespan else stand_in(self.app.lifespan())
            with redirect_stdout(sys.stderr):  # bodies may print, and the answer may be JSON
                found = hold(self.app.catalog, recording, given, seconds=self.seconds)
        except HoldfastError as error:
            if not self.keep_going:
                raise
            self.report.fails(error)
            return False
        self.report.replayed += 1
        if found is not None:
            self.report.diverges(recording, found)
        return found is None


async def _replay(work: _Work, targets: Sequence[str], which: RunFilter, store: str | None, place: str) -> None:
    async with AsyncExitStack() as stack:
        if targets and all(_is_path(target) for target in targets):
            await work.through(_named(targets, None))
            return
        client = await stack.enter_async_context(client_of(store, place))
        if targets:
            await work.through(_named(targets, functools.partial(load_recording, client)))
            return
        work.report.matching = sum((await client.store.count(which)).values())
        if not work.report.matching:
            raise NotFound(f"no run in {client.store.url} matches: `holdfast runs list --all` shows those there are")
        await work.through(_queried(found(client, which), functools.partial(load_recording, client)))


async def _named(
    targets: Sequence[str], load_run: Callable[[str], Awaitable[Recording]] | None
) -> AsyncIterator[Source]:
    for target in targets:
        if load_run is not None and not _is_path(target):
            yield functools.partial(load_run, target)
            continue
        for path in _files(Path(target)):
            yield functools.partial(asyncio.to_thread, read_recording, path)


async def _queried(runs: AsyncIterator[Any], load_run: Callable[[str], Awaitable[Recording]]) -> AsyncIterator[Source]:
    async for run in runs:
        yield functools.partial(load_run, run.id)


def _is_path(target: str) -> bool:
    """Whether a target names a file or folder, be it a missing one, and not a run."""
    return "/" in target or target.endswith(".jsonl") or Path(target).exists()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.rglob("*.jsonl"))
    if not files:
        raise NotFound(f"there is no journal file (*.jsonl) in {path}")
    return files
