"""What people do to runs: pause, resume, retry, fork, move, tag, and delete them."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast import codec
from holdfast.clock import Clock
from holdfast.clock import new_id as fresh_id
from holdfast.durable.catalog import Agent, Catalog
from holdfast.durable.forking import ForkPlan, plan_fork
from holdfast.durable.replay import divergence
from holdfast.durable.retention import Retention, outlived, prune
from holdfast.durable.scope import is_storable_text
from holdfast.errors import BadOption, KeyConflict, NotStorable, UnknownAgent, UnknownRun, WrongState
from holdfast.records.journal import Entry
from holdfast.records.repair import Edit, Fork
from holdfast.records.run import Run, Status
from holdfast.records.worker import Hosted
from holdfast.store.base import RunFilter, Store

PAUSED = "Paused"  # the type of the error of a run that a person has paused
_PAGE = 1000
UNCHANGED: Any = object()  # an outcome that is left as it was recorded


@dataclass(frozen=True, kw_only=True, slots=True)
class Forked:
    """A fork that was made.

    Attributes:
        id: of the new run.
        plan: which calls it begins with, and which it makes again.
    """

    id: str
    plan: ForkPlan


class Operations:
    """The half of a client that changes the course of runs."""

    def __init__(self, store: Store, catalog: Catalog, clock: Clock) -> None:
        self.store = store
        self._catalog = catalog
        self._clock = clock

    @property
    def catalog(self) -> Catalog:
        """The agents and tools that this process has the code of."""
        return self._catalog

    def now(self) -> int:
        """The present time by the clock of timers, in microseconds."""
        return self._clock.now()

    async def info(self, run_id: str) -> Run:
        """A run's record.

        Raises:
            UnknownRun: there is none.
        """
        record = await self.store.get(run_id)
        if record is None:
            raise UnknownRun(f"no run {run_id!r} in {self.store.url}: `holdfast runs list` shows those there are")
        return record

    async def pause(self, run_id: str, *, reason: str = "") -> None:
        """Stop a run until it is resumed. Steps that are at work end first and are recorded; its children go on.

        What others tell a paused run waits for it, and its timers fire late. A cancel ends the pause.

        Raises:
            UnknownRun: there is none.
            WrongState: it has ended, is paused, blocked or being cancelled already.
        """
        run = await self.info(run_id)
        why = codec.pack_failure(PAUSED, reason or "somebody paused it")
        if not await self.store.pause(run_id, why=why, at=self._clock.now()):
            stands = "being cancelled" if run.cancel_at and not run.status.ended else str(run.status)
            raise WrongState(f"run {run_id} is {stands}: it cannot be paused")

    async def resume(self, run_id: str) -> bool:
        """Put a paused run, or a blocked one whose code was mended, back to work. False if it was neither.

        Raises:
            UnknownRun: there is none.
        """
        run = await self.info(run_id)
        return run.stopped and await self.store.resume(run_id)

    async def retry(self, run_id: str) -> None:
        """Let a failed run go on from before what made it fail: under its id, with its idempotency keys.

        What had succeeded before stays recorded; the call that failed is made again, with all its retries, and so is
        what came after it. Children that had failed, or were cancelled with the run, are retried likewise. A run
        whose body raised by itself replays all that is recorded and goes on with the present code.

        Raises:
            UnknownRun: there is none.
            WrongState: it has not failed, or its children are still ending.
        """
        run = await self.info(run_id)
        if run.status is not Status.FAILED:
            raise WrongState(
                f"run {run_id} is {run.status}: only failed runs are retried. Fork it to do part of it again"
            )
        if not await self.store.retry(run_id, at=self._clock.now()):
            raise WrongState(f"run {run_id} has failed, but children of it are still ending: retry it once they have")

    async def plan_fork(self, run_id: str, *, at: int | str, edited: bool = False) -> ForkPlan:
        """What :meth:`fork` would keep and make again; nothing is changed. Errors are the same.

        Args:
            run_id: the origin.
            at: as :meth:`fork` takes it.
            edited: whether the call at ``at`` is to have another outcome.
        """
        run = await self.info(run_id)
        history = await self.store.load(run.rid)
        names = {hash: group.key for hash, group in history.groups.items()}
        maps = {names.get(hash, f"map {hash & 0xFFFFFFFF:08x}"): index for hash, index in history.maps.items()}
        return plan_fork(run, [entry async for entry in self.journal(run_id)], maps, at, edited=edited)

    async def fork(
        self, run_id: str, *, at: int | str, outcome: object = UNCHANGED, error: str | None = None,
        key: str | None = None, keep_keys: bool = False, version: str | None = None, tags: Sequence[str] = (),
        new_id: str | None = None, by: str = "",
    ) -> Forked:  # fmt: skip
        """Start a run that begins with a part of another's journal, and goes its own way from there.

        Args:
            run_id: the origin; it may be live, and is not touched.
            at: the number of the last entry to keep, 0 for none; or a call, by its key or its function's name: then the
                fork comes just before its first outcome.
            outcome: another outcome for the call at ``at`` (edit and fork), in place of that entry.
            error: instead of ``outcome``: let that call have failed, with this message.
            key: an idempotency key for the fork.
            keep_keys: give its effects the idempotency keys of the origin's, so that services outside take them for the
                same; by default they are new.
            version: of the agent; the origin's by default.
            tags: of the fork.
            new_id: of the fork, for whoever may have to ask again; by default one is made.
            by: the name of the person who forks: neither they, nor who started the origin, may approve what it asks.

        Raises:
            UnknownRun: there is none.
            BadOption: there is no such entry, or none whose outcome could be changed.
            WrongState: the run was being cancelled by then.
            KeyConflict: ``key`` belongs to another run.
            UnknownAgent: neither this app nor any live worker has that version.
        """
        edit = _edit_of(run_id, at, outcome, error)
        run, plan = await self.info(run_id), await self.plan_fork(run_id, at=at, edited=edit is not None)
        wanted = Hosted(agent=run.agent, version=version or run.version)
        if version is not None and not await self.hosted(wanted):
            raise UnknownAgent(f"agent {run.agent!r} version {version!r} is hosted by no live worker nor defined here")
        now = self._clock.now()
        fork = Fork(
            id=new_id or fresh_id(now), seq=plan.at, version=wanted.version, at=now, key=key, keep_keys=keep_keys,
            edit=edit, tags=checked_tags(tags), by=by,
        )  # fmt: skip
        if not await self.store.fork(run_id, fork):
            raise KeyConflict(f"key {key!r} of agent {run.agent} belongs to another run: give the fork another key")
        return Forked(id=fork.id, plan=plan)

    async def move(self, run_id: str, version: str) -> None:
        """Let a run go on as another version of its agent, after replaying its journal against that version's code.

        Raises:
            UnknownRun: there is none.
            UnknownAgent: this app does not define that version.
            WrongState: the code would not do again what is recorded; or the run is in memory just now, or has ended.
        """
        run = await self.info(run_id)
        agent = self._catalog.agents.get(Hosted(agent=run.agent, version=version))
        if agent is None:
            raise UnknownAgent(
                f"agent {run.agent!r} version {version!r} is not defined here: there is no code to replay"
            )
        if run.status.ended or run.status is Status.RUNNING:
            raise WrongState(f"run {run_id} is {run.status}: {'pause it first' if not run.status.ended else 'fork it'}")
        history = await self.store.load(run.rid)
        found = divergence(agent, run, history, functools.partial(self.store.item_values, run.rid))
        if found is not None:
            raise WrongState(f"run {run_id} does not fit version {version}: {found.what}")
        if not await self.store.move(run_id, version, epoch=run.epoch, entries=run.entries):
            raise WrongState(f"run {run_id} has gone on meanwhile: pause it first")

    async def tag(self, run_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Add and remove tags: words by which runs are found.

        Raises:
            UnknownRun: there is none.
            BadOption: a tag is empty, or has a comma, a line break or another control character in it.
        """
        await self.info(run_id)
        await self.store.tag(run_id, add=checked_tags(add), remove=tuple(remove))

    async def prune(self, rules: Sequence[Retention]) -> int:
        """Delete the runs that ended and are older, or more, than the rules say; returns how many went.

        A run goes with all its descendants, once every one of them has ended.
        """
        return await prune(self.store, rules, self._clock)

    async def outlived(self, rules: Sequence[Retention]) -> list[str]:
        """Ids of the runs that :meth:`prune` would delete now, each with its descendants."""
        return await outlived(self.store, rules, self._clock)

    async def delete(self, run_id: str) -> None:
        """Delete a run that has ended, and all its descendants: every row and every large value.

        Raises:
            UnknownRun: there is none.
            WrongState: it, or a descendant, has not ended; or it is a child: delete its root.
        """
        run = await self.info(run_id)
        if await self.store.delete([run_id]):
            return
        if run.parent is not None:
            raise WrongState(f"run {run_id} is a child: runs are deleted with their whole tree; its root is {run.root}")
        stands = "a run that it started has not ended" if run.status.ended else f"it is {run.status}"
        raise WrongState(f"run {run_id} cannot be deleted: {stands}")

    # -- looking

    async def find(self, which: RunFilter | None = None) -> list[Run]:
        """Records of runs, newest first."""
        return await self.store.find(which or RunFilter())

    async def count(self, which: RunFilter | None = None) -> dict[Status, int]:
        """How many runs match, by status."""
        return await self.store.count(which)

    async def journal(self, run_id: str) -> AsyncIterator[Entry]:
        """A run's journal, in order.

        Raises:
            UnknownRun: there is none.
        """
        await self.info(run_id)
        after = 0
        while page := await self.store.journal(run_id, after=after, limit=_PAGE):
            for entry in page:
                yield entry
            after = page[-1].seq

    def versions(self, agent: str) -> list[str]:
        """The versions of an agent that this app defines, in the order in which it does."""
        return [hosted.version for hosted in self._catalog.agents if hosted.agent == agent]

    def defined(self, hosted: Hosted) -> Agent[Any, Any] | None:
        """A version of an agent, if this app defines it."""
        return self._catalog.agents.get(hosted)

    async def hosted(self, hosted: Hosted) -> bool:
        """Whether this app defines a version of an agent, or a live worker has it."""
        return hosted in self._catalog.agents or any(hosted in worker.hosts for worker in await self.store.workers())


def _edit_of(run_id: str, at: int | str, outcome: object, error: str | None) -> Edit | None:
    if outcome is not UNCHANGED and error is not None:
        raise BadOption("a changed entry has an outcome or an error, not both")
    if outcome is UNCHANGED and error is None:
        return None
    if error is not None:
        return Edit(ok=False, value=codec.pack_failure("Edited", error))
    try:
        return Edit(ok=True, value=codec.pack(codec.shape_of(type(outcome)).encode(outcome)))
    except NotStorable as problem:
        raise NotStorable(f"the outcome for {at!r} of run {run_id}: {problem}") from problem


def checked_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags, once each.

    Raises:
        BadOption: one is no word that could be found again.
    """
    if isinstance(tags, str):
        raise BadOption(f"tags={tags!r}: give a list of tags")
    for tag in tags:
        if not is_storable_text(tag) or not tag.strip() or "," in tag or not tag.isprintable() or len(tag) > 200:
            raise BadOption(f"{tag!r} cannot be a tag: 1 to 200 printable characters without commas")
    return tuple(dict.fromkeys(tags))
