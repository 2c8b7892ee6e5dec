"""What the tests share: a world in which steps leave traces, and deployments that follow each other on one store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from holdfast import App, Call
from holdfast.clock import VirtualClock
from holdfast.records.journal import Entry, Kind
from holdfast.testing import Rig, RigRun


class World:
    """The outside: what steps did there, in order. It outlives crashes and deployments."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def do(self, what: str) -> str:
        self.done.append(what)
        return what

    async def also(self, what: str) -> str:
        self.done.append(what)
        return what

    async def pay(self, what: str) -> str:
        self.done.append(what)
        return what

    async def wire(self, what: str) -> str:
        self.done.append(what)
        return what

    def work(self, what: str) -> str:
        self.done.append(what)
        return what


async def result(app: App[Any], call: Call[Any], **options: Any) -> Any:
    """The result of one run in a rig of its own."""
    async with app.test(**options) as t:
        return await (await t.start(call)).result()


async def journal(t: Rig, run: RigRun[Any], *kinds: Kind) -> list[Entry]:
    """A run's entries of these kinds, or all."""
    return [entry async for entry in t.journal(run.id) if not kinds or entry.kind in kinds]


class Deployments:
    """One agent, ``job``, deployed again and again in other forms on one store; each deployment ends the one before."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = VirtualClock()
        self.run_id = ""
        self.also: App[Any] | None = None  # its agents are deployed beside the job

    @asynccontextmanager
    async def start(self, body: Callable[..., Any], *args: Any) -> AsyncIterator[tuple[Rig, RigRun[Any]]]:
        """Deploy the body, and start a run of it that then waits."""
        app = self._app()
        job = app.agent(name="job")(body)
        async with app.test(store=self.url, clock=self.clock, check_replay=False) as t:
            run = await t.start(job(*args))
            self.run_id = run.id
            await t.quiet()
            assert not (await run.info()).status.ended, "it has to wait for something"
            yield t, run

    @asynccontextmanager
    async def go_on(
        self, body: Callable[..., Any], *, resolve: str = "go", check_replay: bool = False
    ) -> AsyncIterator[tuple[Rig, RigRun[Any]]]:
        """Deploy another body, and resolve what the run waits for."""
        app = self._app()
        app.agent(name="job")(body)
        async with app.test(store=self.url, clock=self.clock, check_replay=check_replay) as t:
            await t.resolve(f"{self.run_id}/{resolve}", True)
            yield t, await t.get(self.run_id)

    async def result(self, old: Callable[..., Any], new: Callable[..., Any], *, check_replay: bool = True) -> Any:
        """What a run that began as ``old``, and waited for its promise ``go``, returns as ``new``."""
        async with self.start(old):
            pass
        async with self.go_on(new, check_replay=check_replay) as (_, run):
            return await run.result()

    def _app(self) -> App[Any]:
        app: App[Any] = App("job")
        if self.also is not None:
            app.catalog.agents.update(self.also.catalog.agents)
        return app
