"""A client of a store: starts runs, finds them, tells them things. It needs no worker in its process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from holdfast import codec
from holdfast.clock import Clock, Duration, micros, new_id
from holdfast.durable.calls import Call
from holdfast.durable.catalog import Catalog
from holdfast.durable.lobby import Lobby
from holdfast.durable.operations import PAUSED, checked_tags
from holdfast.durable.patience import Patience
from holdfast.durable.reading import Reading
from holdfast.durable.selection import Selection
from holdfast.durable.storedrun import StoredRun
from holdfast.errors import (
    BadOption,
    KeyConflict,
    NotStorable,
    RunBlocked,
    RunCancelled,
    RunFailed,
    UnknownAgent,
)
from holdfast.records.journal import Kind, Op
from holdfast.records.run import Activation, NewRun, Status
from holdfast.records.run import Run as RunRecord
from holdfast.records.usage import Usage, total, usage_in
from holdfast.records.worker import Demand, Hosted, Worker
from holdfast.store.base import RunFilter, Store

R = TypeVar("R")
_PAGE = 1000
_LOOK_AGAIN = 1.0  # seconds; a lost notification costs a caller so much at the most


class Client(Reading):
    """Starts, finds and tells runs. Made by ``app.open`` and ``app.connect``."""

    def __init__(self, store: Store, catalog: Catalog, clock: Clock) -> None:
        super().__init__(store, catalog, clock)
        self._lobby = Lobby(store, _LOOK_AGAIN)

    async def start(
        self,
        call: Call[R],
        /,
        *,
        key: str | None = None,
        priority: int = 0,
        tags: Sequence[str] = (),
        by: str = "",
    ) -> StoredRun[R]:
        """Start a run; it is durable when this returns.

        Args:
            call: of an agent, ``adjust(claim)``. ``.using(timeout=…)`` limits the whole run.
            key: an idempotency key, unique per agent: the same key never starts a second run.
            priority: runs with a higher one are claimed first.
            tags: words by which the run can be found.
            by: the name of the person who starts it, as the desk knows them: they may not approve what it asks.

        Raises:
            BadOption: the call is not of an agent, or a tag is no word.
            KeyConflict: the key belongs to a run with another input.
            NotStorable: an argument cannot be stored; the message has its path.
            UnknownAgent: neither this app nor any live worker has the version asked for.

        Example:
            >>> async def main(client):
            ...     run = await client.start(settle(["c-1"]), key="2026-11-23")
            ...     return await run.result()
        """
        keys = None if key is None else [key]
        return (await self.start_all([call], keys=keys, priority=priority, tags=tags, by=by))[0]

    async def start_all(
        self, calls: Sequence[Call[R]], /, *, keys: Sequence[str] | None = None, priority: int = 0,
        tags: Sequence[str] = (), by: str = "",
    ) -> list[StoredRun[R]]:  # fmt: skip
        """Start many runs in one transaction; all are durable when this returns.

        Raises:
            BadOption: as many keys as calls are needed.
            KeyConflict: as :meth:`start`; the others are started.
            NotStorable, UnknownAgent: as :meth:`start`; none is started.
        """
        if keys is not None and len(keys) != len(calls):
            raise BadOption(f"{len(keys)} keys for {len(calls)} calls: give one each")
        at = self._clock.now()
        tags = checked_tags(tags)
        new = [
            replace(self._new_run(call, None if keys is None else keys[i], priority, at), tags=tags, by=by)
            for i, call in enumerate(calls)
        ]
        await self._check_hosted({Hosted(agent=run.agent, version=run.version) for run in new})
        for call in calls:
            call.spend("started")
        started = await self.store.start(new)
        for wanted, got in zip(new, started, strict=True):
            if got.digest != wanted.digest:
                raise KeyConflict(
                    f"key {wanted.key!r} of agent {wanted.agent} belongs to run {got.id}, which has another input: "
                    f"use another key, or look at that run"
                )
        return [StoredRun(self, one.id) for one in started]

    async def get(self, run_id: str) -> StoredRun[Any]:
        """The run of this id.

        Raises:
            UnknownRun: there is none.
        """
        await self.info(run_id)
        return StoredRun(self, run_id)

    async def resolve(self, promise_id: str, value: object) -> bool:
        """Resolve a promise. False if it was resolved before, or its run has ended.

        Raises:
            BadOption: that is no promise's id.
            NotStorable: the value is no JSON value, or does not fit the promise's type.
            UnknownRun: no run is named before the first ``/`` of the id.
        """
        self._check_promise(promise_id)
        data = codec.shape_of(Any).encode(value) if _is_json(value) else codec.shape_of(type(value)).encode(value)
        schema = await self.store.schema(promise_id)
        if schema is not None:
            _check_schema(promise_id, json.loads(data), json.loads(schema))
        return await self.store.resolve(promise_id, ok=True, value=codec.pack(data), at=self._clock.now())

    async def fail(self, promise_id: str, error: str) -> bool:
        """Fail a promise: whoever awaits it gets ``PromiseFailed``.

        False if it was resolved before, or its run has ended.

        Raises:
            UnknownRun: no run is named before the first ``/`` of the id.
        """
        self._check_promise(promise_id)
        value = codec.pack_failure("PromiseFailed", error)
        return await self.store.resolve(promise_id, ok=False, value=value, at=self._clock.now())

    async def cancel(self, run_id: str, *, reason: str = "") -> bool:
        """Ask a run to cancel. False if it has ended or was asked before.

        Raises:
            UnknownRun: there is none.
        """
        await self.info(run_id)
        return await self.store.cancel(run_id, reason=reason, at=self._clock.now())

    def select(self, which: RunFilter | Sequence[str]) -> Selection:
        """Several runs, to be told something together: all that match (``limit`` does not count), or those of ids."""
        return Selection(self, which)

    async def demand(self, agents: Sequence[str] | None = None) -> Demand:
        """How many runs need a worker now: queued, due, left behind by dead workers, and at work.

        Of an app that is known runs count only if it hosts their version, and no more of them than an agent's ``limit``
        and ``rate`` leave: a worker of it could do nothing for the others.

        Args:
            agents: only runs of these; of all by default.
        """
        hosts = self._catalog.hosted() or None
        return await self.store.demand(agents, self._catalog.quotas, now=self._clock.now(), hosts=hosts)

    async def workers(self) -> list[Worker]:
        """Workers that are alive."""
        return await self.store.workers()

    async def activations(self, run_id: str) -> list[Activation]:
        """A run's stays in memory, with the build that each ran."""
        return await self.store.activations(run_id)

    async def recorded(self, run_id: str) -> list[str]:
        """See :meth:`StoredRun.recorded`."""
        return [entry.key async for entry in self.journal(run_id) if entry.kind is Kind.OUTCOME]

    async def usage(self, run_id: str) -> Usage:
        """What the models that a run has asked have used, by what is recorded in its journal; without its children.

        Raises:
            UnknownRun: there is none.
        """
        return total(
            [
                usage_in(entry.op, codec.unpack(entry.value))
                async for entry in self.journal(run_id)
                if entry.op in (Op.MODEL, Op.STEP) and entry.kind is Kind.OUTCOME and entry.ok
            ]
        )

    async def why_waiting(self, run: RunRecord) -> str:
        """Why a run is not being executed just now, in words; empty if it is, or has ended."""
        workers = await self.store.workers()
        orphan = run.status is Status.RUNNING and all(worker.id != run.worker for worker in workers)
        hosted = any(Hosted(agent=run.agent, version=run.version) in worker.hosts for worker in workers)
        if (orphan or run.status in (Status.QUEUED, Status.WAITING)) and not hosted:
            return f"no live worker hosts agent {run.agent} version {run.version}: start one that does"
        if orphan:
            return f"its worker {run.worker} is gone: another is about to take it over"
        if run.status is Status.WAITING:
            return "for news or a time" if run.wake_at else "for news: a promise, a child, a person, a cancel"
        if run.status in (Status.BLOCKED, Status.PAUSED) and run.error is not None:
            return codec.Failed.unpack(run.error).message
        return ""

    def outcome(self, record: RunRecord) -> Any:
        """The result of a run that has ended.

        Raises:
            RunFailed, RunCancelled, RunBlocked: it has none.
        """
        if record.status is Status.SUCCEEDED:
            return self._decode(record)
        failed = codec.Failed.unpack(record.error or codec.pack_failure("", "no reason is recorded"))
        told = (record.id, failed.type_name, failed.message, failed.traceback_text)
        if record.status is Status.CANCELLED:
            raise RunCancelled(*told)
        if record.status in (Status.BLOCKED, Status.PAUSED):
            raise RunBlocked(*told)
        raise RunFailed(*told)

    async def wait_until(
        self, run_id: str, met: Callable[[RunRecord], bool], *, timeout: Duration | None = None
    ) -> RunRecord:
        """Wait until a run's record meets a condition; also while the store is away, which the log says once.

        Args:
            run_id: the run's.
            met: the condition.
            timeout: stop waiting after so long; by default never.

        Raises:
            UnknownRun: there is no such run.
            TimeoutError: ``timeout`` passed first.
            StoreUnusable: the store cannot be asked any more, and waiting would not mend it.
        """
        patience = Patience(f"run {run_id}")
        with _so_long(run_id, timeout, patience):
            async with asyncio.timeout(_seconds(timeout)):
                async with aclosing(patience.answers(self.store, partial(self.info, run_id), _LOOK_AGAIN)) as records:
                    while not met(record := await anext(records)):
                        pass
                    return record

    async def until_over(self, run_id: str, *, timeout: Duration | None = None) -> RunRecord:
        """Wait until a run has ended, or has stopped itself; returns its record. Raises the same as :meth:`wait_until`.

        However many runs are waited for at a time, the store is asked one question after each change.
        """
        look = partial(self._lobby.patience.ask, partial(self.info, run_id))
        with _so_long(run_id, timeout, self._lobby.patience):
            async with asyncio.timeout(_seconds(timeout)):
                while not _is_over(record := await look()):
                    with self._lobby.seat(run_id) as seat:
                        if not _is_over(await look()):
                            await seat
                return record

    # -- inside

    @staticmethod
    def _check_promise(promise_id: str) -> None:
        own = promise_id.rpartition("/")[2]
        if "#" in own or own.startswith("~"):  # nobody may speak for a step, a child or a person
            raise BadOption(
                f"{promise_id!r} is no promise: what people are asked is decided at the desk (client.inbox)"
            )

    def _new_run(self, call: Call[Any], key: str | None, priority: int, at: int) -> NewRun:
        if not isinstance(call, Call) or call.target.op is not Op.CHILD:
            raise BadOption(f"{call!r} cannot be started: write a call of an agent, such as adjust(claim)")
        arguments = call.packed_arguments()
        run_id = new_id(at)
        return NewRun(
            id=run_id,
            agent=call.target.name,
            version=call.version,
            input=codec.pack(arguments),
            digest=codec.fingerprint(arguments),
            root=run_id,
            key=key,
            priority=priority,
            timeout=call.options.timeout,
            at=at,
        )

    async def _check_hosted(self, wanted: set[Hosted]) -> None:
        for hosted in wanted:
            if not await self.hosted(hosted):
                known = sorted({h.version for h in self._catalog.agents if h.agent == hosted.agent})
                raise UnknownAgent(
                    f"agent {hosted.agent!r} version {hosted.version!r} is hosted by no live worker and not "
                    f"defined here (there are: {', '.join(known) or 'none'})"
                )

    def _decode(self, record: RunRecord) -> Any:
        agent = self._catalog.agents.get(Hosted(agent=record.agent, version=record.version))
        data = codec.unpack(record.result or b"")
        returns = codec.hints_of(agent.fn).returns if agent is not None else Any
        return codec.shape_of(returns).decode(data)


@contextmanager
def _so_long(run_id: str, timeout: Duration | None, patience: Patience) -> Iterator[None]:
    """Says which run was waited for, and what kept it."""
    try:
        yield
    except TimeoutError:
        stands = "has not come to that" if patience.trouble is None else f"cannot be asked for: {patience.trouble}"
        raise TimeoutError(f"after {timeout} run {run_id} {stands}. It goes on") from patience.trouble


def _seconds(timeout: Duration | None) -> float | None:
    return None if timeout is None else micros(timeout) / 1e6


def _is_over(run: RunRecord) -> bool:
    return run.status.ended or needs_a_person(run)


def needs_a_person(run: RunRecord) -> bool:
    """Whether a run has stopped by itself, and goes on only if somebody resumes it."""
    if run.status is Status.PAUSED:
        return run.error is not None and codec.Failed.unpack(run.error).type_name != PAUSED
    return run.status is Status.BLOCKED


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str | list | dict)


def _check_schema(promise_id: str, value: Any, schema: Any) -> None:
    import jsonschema  # takes long to load, and few processes resolve promises

    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        raise NotStorable(
            f"promise {promise_id}: the value does not fit its type at {error.json_path}: {error.message}"
        ) from error
