"""The rig: an app on a temporary store, with a clock that moves only when told to and a worker that can crash."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from holdfast.approvals.case import InboxFilter
from holdfast.clock import Duration, VirtualClock, boot_seconds, micros
from holdfast.durable.calls import Call
from holdfast.durable.catalog import Tool
from holdfast.durable.client import needs_a_person
from holdfast.durable.handles import Run
from holdfast.durable.points import POINTS, on_reach
from holdfast.durable.storedrun import StoredRun
from holdfast.durable.worker import Worker
from holdfast.errors import BadOption, HoldfastError
from holdfast.runtime import Runtime, chores_of, open_store
from holdfast.settings import Settings
from holdfast.store.base import Store
from holdfast.testing.again import divergence_under_another_seed, divergences
from holdfast.testing.asked import EVERYBODY, Asked
from holdfast.testing.standins import Standins

if TYPE_CHECKING:
    from holdfast.runtime import App

P = ParamSpec("P")
R = TypeVar("R")

ALWAYS_SUSPEND = "HOLDFAST_ALWAYS_SUSPEND"
_TURNS = 200  # of the loop, before waiting in earnest for a thread or a file
_PATIENCE = 5.0  # seconds of real time that the outside has to move a run that only it can move
_LOOK = 0.05  # seconds until the run is looked at again meanwhile


class Stuck(HoldfastError):
    """The awaited run waits for something that this test does not do; the message says for what."""


class Diverged(HoldfastError):
    """A run, replayed, does not do again what is recorded: its code changed, or depends on more than it observed."""


class InjectedCrash(BaseException):
    """Unwinds whatever was at work when a crash was injected."""


class RigRun(StoredRun[R]):
    """A run in a rig: while its result is awaited and all is quiet, time moves to whatever is due next."""

    def __init__(self, rig: Rig, run_id: str) -> None:
        super().__init__(rig, run_id)
        self._rig = rig

    async def result(self, *, timeout: Duration | None = None) -> R:
        """Wait for the result, letting time pass.

        Args:
            timeout: of the virtual clock.

        Raises:
            Stuck: nothing is due and nobody resolves what the run waits for.
            RunFailed, RunCancelled, RunBlocked, TimeoutError: as :meth:`StoredRun.result`.
        """
        limit = None if timeout is None else self._rig.clock.now() + micros(timeout)
        await self._rig.run_until_ended(self.id, limit)
        return cast(R, self._rig.outcome(await self.info()))


class Rig(Runtime):
    """An app under test. Made by ``app.test()``.

    Attributes:
        clock: its virtual clock; starts at the present time and moves only when told to, or while a result is awaited.
        store: its temporary store, which outlives crashes.
    """

    clock: VirtualClock

    def __init__(
        self, app: App[Any], store: Store, deps: Any, settings: Settings, clock: VirtualClock, *, url: str
    ) -> None:
        self.app = app
        self._url = url  # as it was given: what the store says of itself has no password in it
        self.clock = clock
        self.store = store
        self.settings = settings
        self.crashes = 0
        self._deps = deps
        self._standins = Standins(app.catalog)
        self._restarting: asyncio.Task[None] | None = None
        self._plan: dict[str, int] = {}
        super().__init__(store, app.catalog, self.clock, self._new_worker())

    async def start(
        self,
        call: Call[R],
        /,
        *,
        key: str | None = None,
        priority: int = 0,
        tags: Sequence[str] = (),
        by: str = "",
    ) -> RigRun[R]:
        """Start a run; see :meth:`Client.start`."""
        return RigRun(self, (await super().start(call, key=key, priority=priority, tags=tags, by=by)).id)

    async def get(self, run_id: str) -> RigRun[Any]:
        """The run of this id; see :meth:`Client.get`."""
        return RigRun(self, (await super().get(run_id)).id)

    async def asked(self, run: Run[Any], about: str = "") -> Asked:
        """Wait until a run, or a descendant of it, has asked people for something, letting time pass; returns the
        oldest that is pending.

        Args:
            run: the run.
            about: the name of the tool, the agent or the type, or a part of the question, if several are pending.

        Raises:
            Stuck: it asks for nothing, and nothing is due.
        """
        while not (found := [one for one in await self.all_asked(run) if one.is_about(about)]):
            record = await self.info(run.id)
            if record.status.ended or needs_a_person(record):
                raise Stuck(f"run {run.id} is {record.status}: it asks for nothing {about}".rstrip())
            if (due := self.clock.next_due()) is not None:
                self._move_to(due)
            else:
                await self._wait_for_outside(run.id)
        return found[0]

    async def all_asked(self, run: Run[Any]) -> list[Asked]:
        """All that a run and its descendants ask of people now, once all is quiet; the oldest first."""
        await self.quiet()
        record = await self.info(run.id)
        cases = await self.inbox.inbox(EVERYBODY, InboxFilter(root=record.root, limit=100_000))
        own = record.parent is None
        return [Asked(self, case) for case in sorted(cases, key=lambda one: one.n) if own or case.run_id == run.id]

    async def advance(self, by: Duration) -> None:
        """Let time pass: everything that becomes due meanwhile happens, in order."""
        target = self.clock.now() + micros(by)
        await self.quiet()
        while (due := self.clock.next_due()) is not None and due <= target:
            self._move_to(due)
            await self.quiet()
        self._move_to(target)
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until only time or the outside can move anything."""
        commits = -1
        # What this test, or a step of another run, has just written reaches the worker by a notification that may take
        # a moment: so the worker has to look at the store once more than it had to commit.
        while commits != self.worker.commits:
            commits = self.worker.commits
            self.worker.poke()
            await self._idle()

    async def _idle(self) -> None:
        turns = 0
        while self._restarting is not None or not self.worker.idle:
            turns += 1
            await asyncio.sleep(0 if turns < _TURNS else 0.001)

    async def crash(self) -> None:
        """Kill the worker, as if its process had died and its lease had expired, and start another."""
        await self._replace_worker()

    def crash_at(self, point: str, *, nth: int = 1) -> None:
        """Crash when any run comes to a point for the ``nth`` time from now on; see :data:`holdfast.testing.POINTS`.

        Raises:
            BadOption: there is no such point.
        """
        if point not in POINTS:
            raise BadOption(f"{point!r} is no point; they are: {', '.join(POINTS)}")
        self._plan[point] = nth
        on_reach(self._reached)

    def replace(self, tool: Tool[P, R], fn: Callable[P, Any]) -> None:
        """Run ``fn`` instead of a tool; its parameters must be the tool's."""
        self._standins.replace(tool, fn)

    def calls(self, tool: Tool[P, R]) -> list[Call[R]]:
        """The calls with which a tool was executed, in order; they compare by value.

        Example:
            >>> async def test_pays(app, settle, pay):
            ...     async with app.test() as t:
            ...         await (await t.start(settle("c-1"))).result()
            ...         assert t.calls(pay) == [pay("c-1", 90.0)]
        """
        return cast("list[Call[R]]", self._standins.calls(tool))

    async def check_replay(self, *, hash_seed: bool = False) -> None:
        """Replay every run that has ended, without executing anything.

        Args:
            hash_seed: also in another process under another hash seed; the app must be a global of a module.

        Raises:
            Diverged: one does not do again what is recorded.
        """
        async for found in divergences(self.app, self.store, self._deps):
            raise Diverged(f"run {found.run_id}, replayed: {found.what}")
        if hash_seed and (said := await divergence_under_another_seed(self.app, self._url)):
            raise Diverged(f"replayed under another hash seed: {said}")

    async def close(self) -> None:
        """Stop the worker and close the store."""
        if self._restarting is not None:
            await self._restarting
        await self.worker.stop(grace=1.0)
        await self.store.close()

    async def run_until_ended(self, run_id: str, limit: int | None) -> None:
        """Let things happen, and time pass, until a run has ended or is blocked."""
        while not await self._has_ended(run_id):
            due = self.clock.next_due()
            if due is not None and (limit is None or due <= limit):
                self._move_to(due)
            elif limit is not None:
                self.clock.set(limit)
                raise TimeoutError(f"run {run_id} has not ended by then")
            else:
                await self._wait_for_outside(run_id)

    # -- inside

    def _move_to(self, when: int) -> None:
        """Let time pass up to an instant. A crash that this brings about is the worker's, not the test's."""
        with contextlib.suppress(InjectedCrash):
            self.clock.set(when)

    async def _has_ended(self, run_id: str) -> bool:
        await self.quiet()
        record = await self.info(run_id)
        return record.status.ended or needs_a_person(record)

    async def _wait_for_outside(self, run_id: str) -> None:
        watch = self.store.watch()
        try:
            before, waited = await self.info(run_id), 0.0
            while self.worker.idle and self.clock.next_due() is None and await self.info(run_id) == before:
                if waited >= _PATIENCE:
                    why = await self.why_waiting(before)
                    raise Stuck(f"run {run_id} is {before.status}, {why}; nothing in this test moves it")
                began = boot_seconds()
                await watch.wait(_LOOK)
                # Not all that has passed: while a machine stood still, the outside stood still too.
                waited += min(boot_seconds() - began, 2 * _LOOK)
        finally:
            watch.close()

    def _new_worker(self) -> Worker:
        return Worker(
            self.store,
            self.app.catalog,
            self._deps,
            clock=self.clock,
            settings=self.settings,
            replaced=self._standins.functions,
            chores=chores_of(self.store, self.clock),
        )

    def _reached(self, point: str, run_id: str) -> None:
        if point not in self._plan or self._restarting is not None:
            return
        self._plan[point] -= 1
        if self._plan[point] == 0:
            del self._plan[point]
            self.worker.die()
            self._restarting = asyncio.get_running_loop().create_task(self._replace_worker(), name="rig-restart")
            raise InjectedCrash(point)

    async def _replace_worker(self) -> None:
        self.crashes += 1
        dead = self.worker
        await dead.kill()
        await self.store.release(dead.id)
        fresh = self._new_worker()
        await fresh.start()
        self.worker = fresh  # not before it can be asked anything
        self._restarting = None


@asynccontextmanager
async def open_rig(
    app: App[Any], *, settings: Settings | None = None, check_replay: bool = True, always_suspend: bool | None = None,
    hash_seed: bool = False, store: str | None = None, clock: VirtualClock | None = None,
) -> AsyncIterator[Rig]:  # fmt: skip
    """See ``App.test``.

    Args:
        app: the app under test.
        settings: how its worker behaves.
        check_replay: at the end, replay every run that has ended; raise :class:`Diverged` where one differs.
        hash_seed: replay them also in another process under another hash seed; the app must be a module's global.
        always_suspend: evict runs at every wait; default: as ``$HOLDFAST_ALWAYS_SUSPEND`` says.
        store: a URL, for runs that one app begins and another goes on with; by default a temporary store.
        clock: of the rig that had the store before, so that its runs do not see time go back.
    """
    settings = settings or Settings()
    if always_suspend if always_suspend is not None else os.environ.get(ALWAYS_SUSPEND, "0") != "0":
        settings = replace(settings, linger=0.0)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_ignore_crashes)
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
        settings = replace(settings, workspaces=settings.workspaces or f"{folder}/workspaces")
        async with app.lifespan() as deps:
            url = store or temporary_url(folder)
            rig = Rig(app, await open_store(url), deps, settings, clock or VirtualClock(), url=url)
            try:
                await rig.worker.start()
                yield rig
                if check_replay:
                    await rig.check_replay(hash_seed=hash_seed)
            finally:
                on_reach(None)
                await rig.close()


def temporary_url(folder: str) -> str:
    """Where a rig keeps its runs, unless it is told."""
    return f"sqlite:///{folder}/test.db"


def _ignore_crashes(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), InjectedCrash):
        loop.default_exception_handler(context)
