"""A worker: claims runs, drives their activations, holds the lease for them."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from holdfast.clock import SECOND, Clock, boot_seconds, new_id
from holdfast.durable.activation import Activation
from holdfast.durable.alarm import Alarm
from holdfast.durable.catalog import Catalog
from holdfast.durable.census import Census
from holdfast.durable.chores import Chore, do_all
from holdfast.durable.committer import Committer
from holdfast.durable.effects import Effects
from holdfast.durable.garbage import uncollected
from holdfast.durable.lease import Lease
from holdfast.durable.retention import Pruner, Retention
from holdfast.durable.services import Services
from holdfast.durable.transactor import Transactor
from holdfast.durable.workspace.workspace import Workspaces
from holdfast.errors import LeaseLost, StoreError
from holdfast.records.run import Run
from holdfast.records.worker import Hosted
from holdfast.settings import Settings
from holdfast.store.base import Claimed, Store
from holdfast.telemetry import metrics

logger = logging.getLogger("holdfast.worker")

_CLAIM_BATCH = 200


class Worker:
    """Hosts the agents of a catalog on a store, from :meth:`start` to :meth:`stop`.

    Args:
        store: where the runs are.
        catalog: the agents and tools that it has the code of.
        deps: what the app's lifespan yielded.
        clock: of timers and ``ctx.now()``.
        settings: see :class:`~holdfast.settings.Settings`.
        only: agents to claim; all of the catalog by default.
        replaced: stand-ins for tools, by name (tests).
        retention: which runs that ended are kept; all by default.
        chores: what it does besides.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        deps: Any,
        *,
        clock: Clock,
        settings: Settings,
        only: frozenset[str] | None = None,
        replaced: dict[str, Callable[..., Any]] | None = None,
        retention: Sequence[Retention] = (),
        chores: Sequence[Chore] = (),
    ) -> None:
        self.id = ""
        self.active: dict[int, Activation] = {}
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._settings = settings
        self._hosts = [hosted for hosted in catalog.hosted() if only is None or hosted.agent in only]
        self._quotas = catalog.quotas
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="holdfast-step")
        self._effects = Effects(deps, self._pool, replaced)
        self._effects.tell = store.tell
        self._workspaces = Workspaces(store, settings, self._effects.strays_end)
        self._pruner = Pruner(store, retention, clock, settings.prune)
        self._chores = chores
        self._poke = asyncio.Event()
        self._settled = asyncio.Event()  # set while a turn of the claim loop found nothing more to do
        self._alarm = Alarm(clock, self.poke)
        self._more_waits = False  # the last claim was full: others wait for a place
        self._body: Run | None = None
        self._left = asyncio.Event()  # set when an activation leaves memory
        self._stopping = False
        self._rejoin = False
        self._census = Census(store, settings.census)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Register, and begin to claim."""
        await self._join()
        watch = self._store.watch()
        loop = asyncio.get_running_loop()
        self._watch = watch
        self._tasks = [
            loop.create_task(self._watching(), name="holdfast-watch"),
            loop.create_task(self._claiming(), name="holdfast-claim"),
            loop.create_task(self._pruner.run(), name="holdfast-prune"),
        ]
        self._census.start()

    async def stop(self, *, grace: float | None = None) -> None:
        """Let effects that are at work end, within ``grace`` seconds (``Settings.stop_grace``); hand the runs back;
        release the lease.
        """
        grace = self._settings.stop_grace if grace is None else grace
        ends = boot_seconds() + grace
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, self._census.stop(), return_exceptions=True)
        self._watch.close()
        await self._let_effects_end(grace)
        self._retire_all()
        await self._committer.close(timeout=max(ends - boot_seconds(), 1.0))
        await self._workspaces.close(timeout=max(ends - boot_seconds(), 1.0))
        await self._leave()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def die(self) -> None:
        """Cease at once, as a crash would: nothing more is written, nothing more begins (tests)."""
        self._stopping = True
        self._committer.abort()
        self._retire_all()

    async def kill(self) -> None:
        """:meth:`die`, and let go of threads and connections; the lease is not released (tests)."""
        self.die()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, self._census.stop(), return_exceptions=True)
        self._watch.close()
        await self._workspaces.close(timeout=1.0)
        await asyncio.to_thread(self._lease.stop)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def poke(self) -> None:
        """Look at the store soon."""
        self._settled.clear()
        self._poke.set()

    @property
    def commits(self) -> int:
        """How many batches it has sent to the store."""
        return self._committer.batches

    @property
    def idle(self) -> bool:
        """Whether nothing is going on that time or the outside does not have to move."""
        return self._settled.is_set() and not self._poke.is_set() and all(a.quiescent for a in self.active.values())

    # -- lease

    async def _join(self) -> None:
        self.id = new_id(self._clock.now())
        ttl = int(self._settings.lease * SECOND)
        granted = boot_seconds()
        await self._store.register(self.id, host=socket.gethostname(), pid=os.getpid(), hosts=self._hosts, ttl=ttl)
        self._committer = Committer(self._store, self.id)
        self._lease = Lease(self._store.keeper(self.id, ttl=ttl), self._settings, granted, self._lost, self._doing)
        self._services = Services(
            store=self._store,
            committer=self._committer,
            effects=self._effects,
            workspaces=self._workspaces,
            clock=self._clock,
            settings=self._settings,
            may_begin=self._lease.held,
            pressed=lambda: self._more_waits,
            busy_with=self._busy_with,
            gone=self._gone,
            lost=self._lost,
        )
        self._effects.may_begin, self._effects.lost = self._lease.held, self._lost
        self._effects.transact = Transactor(
            partial(self._store.transact, self.id), self._lease.held, self._settings.lease / 3
        ).attempt
        self._lease.start()
        logger.info("worker %s hosts %s", self.id, ", ".join(f"{h.agent} version {h.version}" for h in self._hosts))

    async def _leave(self) -> None:
        await asyncio.to_thread(self._lease.stop)
        try:
            await self._store.release(self.id)
        except StoreError as error:
            logger.warning("the lease could not be released (%s); others take its runs when it ends", error)

    def _lost(self) -> None:
        """Others own the runs: forget them all, and begin again as another worker."""
        if self._rejoin or self._stopping:
            return
        self._rejoin = True
        metrics.lease_lost()
        self._committer.abort()
        self._retire_all()
        self.poke()

    async def _join_again(self) -> None:
        # Runs that nobody has taken yet go back without blame: this worker was slow, and none of them has killed it.
        await self._leave()
        await self._join()
        self._rejoin = False

    # -- claiming

    async def _claiming(self) -> None:
        while True:
            self._poke.clear()
            try:
                if self._rejoin:
                    await self._join_again()
                await self._look()
            except LeaseLost:
                self._lost()
                continue
            except StoreError as error:
                logger.warning("the store does not answer (%s); looking again in %.1f s", error, self._settings.poll)
                await asyncio.sleep(self._settings.poll)
                continue
            except Exception:  # a defect: said, and the worker goes on, for it still holds its runs
                logger.critical("looking for work failed; looking again in %.1f s", self._settings.poll, exc_info=True)
                await asyncio.sleep(self._settings.poll)
                continue
            if not self._poke.is_set():
                self._settled.set()
            await self._poke.wait()
            self._settled.clear()

    async def _look(self) -> None:
        for rid, wakes in await self._store.woken(self.id):
            if rid in self.active:
                self.active[rid].wake(wakes)
        free = self._settings.concurrency - len(self.active)
        if free > 0 and not self._committer.struggling:
            limit = min(free, _CLAIM_BATCH)
            builds = [self._catalog.agents[hosted].build for hosted in self._hosts]
            claimed = await self._store.claim(
                self.id, self._hosts, builds, limit=limit, now=self._clock.now(), quotas=self._quotas
            )
            self._more_waits = len(claimed) == free
            with uncollected():
                for one in claimed:
                    self._activate(one)
            if len(claimed) == limit:
                self._pass_the_turn(claimed)
                self.poke()
        if self._more_waits:
            for activation in list(self.active.values()):
                activation.leave_early()
        # Without a place, or a store that takes commits, what is due could not be claimed: it would ring for ever.
        may_claim = len(self.active) < self._settings.concurrency and not self._committer.struggling
        wake = self._store.next_wake(self._hosts, self._quotas, now=self._clock.now()) if may_claim else None
        times = [None if wake is None else await wake, await self._do_chores()]
        self._alarm.set(min((when for when in times if when is not None), default=None))

    async def _do_chores(self) -> int | None:
        due = await do_all(self._chores, self._clock, self._settings.poll)
        if due is not None and due <= self._clock.now():  # what they did may have woken a run, or be half done
            self.poke()
            return None
        return due

    def _pass_the_turn(self, claimed: Sequence[Claimed]) -> None:
        """Agents that were served go to the end of the line, so that others come next: see ``Claims.claim``."""
        served = {one.run.agent: place for place, one in enumerate(claimed, 1)}
        self._hosts.sort(key=lambda hosted: served.get(hosted.agent, 0))

    def _activate(self, claimed: Claimed) -> None:
        run = claimed.run
        agent = self._catalog.agents[Hosted(agent=run.agent, version=run.version)]
        if run.rid in self.active:  # claimed again though it is here: the one here is stale
            self.active[run.rid].retire()
        activation = self.active[run.rid] = Activation(claimed, agent, self._services)
        activation.start()

    def _gone(self, activation: Activation) -> None:
        if self.active.get(activation.run.rid) is activation:
            del self.active[activation.run.rid]
        self._left.set()
        if not self._stopping:
            self.poke()  # its place is free, and it may be the next to wake

    async def _watching(self) -> None:
        while True:
            try:
                await self._watch.wait(self._settings.poll)
            except StoreError as error:
                logger.warning("the store cannot be watched (%s); looking every %.1f s", error, self._settings.poll)
                await asyncio.sleep(self._settings.poll)
            self.poke()

    # -- the rest

    async def _let_effects_end(self, grace: float) -> None:
        deadline = boot_seconds() + grace
        for activation in list(self.active.values()):
            activation.hand_back()
        while self.active and boot_seconds() < deadline:
            self._left.clear()
            await asyncio.wait([asyncio.ensure_future(self._left.wait())], timeout=deadline - boot_seconds())

    def _retire_all(self) -> None:
        for activation in list(self.active.values()):
            activation.retire()

    def _busy_with(self, run: Run | None) -> None:
        self._body = run

    def _doing(self) -> str:
        return f"the body of run {self._body.id} ({self._body.agent})" if self._body else "no body"
