"""A world that can be repeated: a worker on a store, on virtual time, with a log of all that was written.

What takes time in it (steps, and what somebody outside does) ends at an instant of its own. An effect that has to run
again after a cut or a crash ends at the instant at which it ended before; so whatever has not been recorded happens
again in the order in which it happened, and any difference in what a run observes is the runtime's.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from holdfast import App, codec, idempotency_key
from holdfast.clock import SECOND, VirtualClock
from holdfast.durable.activation import Activation
from holdfast.durable.calls import Call
from holdfast.durable.client import Client
from holdfast.durable.worker import Worker
from holdfast.records.run import NewRun, Status
from holdfast.settings import Settings
from holdfast.store.base import Store
from holdfast.testing.rig import ALWAYS_SUSPEND
from tests.kernel.replay.recorder import Name, Recorder, Told, prefix_of

START = 1_800_000_000 * SECOND
"""When every world begins: what a body sees of time must be the same in each."""

ROOT = "root"
"""The id of the run that a case is about: what ``ctx.random`` is seeded with must be the same in each world too."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something that somebody outside does to the run."""

    at: float  # seconds after its start
    do: Callable[[Client], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is run: a call of an agent, and what happens to it meanwhile."""

    call: Callable[[], Call[Any]]
    acts: tuple[Act, ...] = ()
    grace: float = 30.0
    others: tuple[str, ...] = ("napping", "sinking")  # agents that it may call


# -- effects


@dataclass
class Begun:
    """An effect that was begun."""

    key: str  # the idempotency key
    name: Name
    number: int  # of the attempt
    cut_off: int | None = None  # cancelled, when its run had had so many deltas


@dataclass
class Stage:
    """Where effects take place: each ends at its instant, wherever it is run."""

    clock: VirtualClock
    recorder: Recorder
    ends: dict[tuple[str, int], int] = field(default_factory=dict)  # (idempotency key, attempt) -> when
    begun: list[Begun] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)  # begun though an outcome was recorded
    waiting: Counter[str] = field(default_factory=Counter)

    async def perform(self, seconds: float) -> int:
        """Be at work for so long; gives the number of the attempt."""
        told = idempotency_key()
        prefix, _, key = told.partition("/")
        name = (prefix, codec.hash64(key))
        effect = Begun(told, name, self.recorder.tally.attempts[name] + 1)
        self.begun.append(effect)
        if name in self.recorder.tally.outcomes:
            self.repeated.append(told)
        if seconds:
            end = self.ends.setdefault((told, effect.number), self.clock.now() + round(seconds * SECOND))
            if end > self.clock.now():
                await self._until(end, effect)
        return effect.number

    async def _until(self, end: int, effect: Begun) -> None:
        done = asyncio.get_running_loop().create_future()
        self.waiting[effect.key] += 1

        def stop() -> None:
            if not done.done():
                self.waiting[effect.key] -= 1  # here and not when the effect goes on: until then it is at work
                done.set_result(None)

        self.clock.call_at(end, stop)
        try:
            await done
        except asyncio.CancelledError:
            self.waiting[effect.key] -= 1
            effect.cut_off = self.recorder.tally.deltas[self.recorder.runs[effect.name[0]]]
            raise


# -- the world


class World:
    """A store, a worker on it, and somebody outside who follows a script."""

    current: ClassVar[World]

    def __init__(
        self, app: App[Any], store: Store, case: Case, *, now: int = START, linger: float | None = None
    ) -> None:
        if linger is None:
            linger = 0.0 if os.environ.get(ALWAYS_SUSPEND, "0") != "0" else 0.25
        self.app, self.case = app, case
        self.clock = VirtualClock(now)
        self.recorder = Recorder(store, self.clock)
        self.stage = Stage(self.clock, self.recorder)
        self.loop = asyncio.get_running_loop()
        self.client = Client(self.recorder, app.catalog, self.clock)  # type: ignore[arg-type]  # a store by delegation
        self.settings = Settings(linger=linger, grace=case.grace)
        self.crashes = 0
        World.current = self

    async def open(self) -> None:
        """Let a worker begin."""
        only = frozenset({self.case.call().target.name, *self.case.others})  # looking for work costs by agent
        self.worker = Worker(
            self.recorder,
            self.app.catalog,
            None,
            clock=self.clock,
            settings=self.settings,
            only=only,  # type: ignore[arg-type]  # as above
        )
        await self.worker.start()
        self.recorder.on_change = self.worker.poke  # at once, so that it is never taken for idle in between

    async def start(self) -> None:
        """Start the run of the case."""
        call = self.case.call()
        arguments = call.packed_arguments()
        new = NewRun(
            id=ROOT, agent=call.target.name, version=call.version, input=codec.pack(arguments),
            digest=codec.fingerprint(arguments), root=ROOT, timeout=call.options.timeout, at=self.clock.now(),
        )  # fmt: skip
        call.spend("started")
        await self.recorder.start([new])

    async def play(self, *, crashing: bool = False) -> None:
        """Let things happen until every run has ended."""
        acts = list(self.case.acts)[sum(isinstance(op, Told) for op in self.recorder.log) :]
        await self._settle()
        while not await self._all_ended():
            if crashing:
                await self._crash()
                await self._settle()
            next_act = START + round(acts[0].at * SECOND) if acts else None
            due = min((when for when in (next_act, self.clock.next_due()) if when is not None), default=None)
            assert due is not None, f"nothing is due and nobody moves it: {await self._standing()}"
            self.clock.set(due)
            if due == next_act:
                await acts.pop(0).do(self.client)
            await self._settle()

    async def close(self) -> None:
        """Stop the worker and close the store."""
        self.recorder.on_change = lambda: None
        await self.worker.stop(grace=0)
        await self.recorder.close()

    async def _crash(self) -> None:
        self.crashes += 1
        self.recorder.on_change = lambda: None
        await self.worker.kill()
        await self.recorder.release(self.worker.id)
        await self.open()

    async def _settle(self) -> None:
        turns = 0
        while not self._settled():
            turns += 1
            assert turns < 20_000, f"it does not come to rest: {await self._standing()}"
            await asyncio.sleep(0 if turns < 300 else 0.0005)

    def _settled(self) -> bool:
        worker = self.worker
        looked = worker._settled.is_set() and not worker._poke.is_set()
        return looked and all(self._rests(activation) for activation in worker.active.values())

    def _rests(self, activation: Activation) -> bool:
        """Whether only time can move it, where time also moves the effects that are at work."""
        running, prefix = activation._running, prefix_of(activation.run.id, activation.run.generation)
        at_work = running._tasks
        if not all(self.stage.waiting[f"{prefix}/{key}"] for key in at_work):
            return False
        running._tasks = {}  # it would not call itself quiescent with effects at work
        try:
            return activation.quiescent
        finally:
            running._tasks = at_work

    async def _all_ended(self) -> bool:
        counts = await self.recorder.count()
        assert Status.BLOCKED not in counts, await self._standing()
        return all(status.ended for status in counts)

    async def _standing(self) -> str:
        runs = await self.client.find()
        return "; ".join(f"{run.id} {run.status} {codec.Failed.unpack(run.error) if run.error else ''}" for run in runs)
