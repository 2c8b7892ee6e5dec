"""Asking: what people ask for is done, and its answer is found out, also when the connection is lost meanwhile.

Whether a request arrived whose answer was lost, its effect tells: it is sent again, and if there is nothing left to do
the run is looked at. So an answer may credit a request with what another did at the same time; it never denies what was
done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from holdfast.clock import jitter
from holdfast.errors import CommitUnknown, StoreBusy, UnknownRun
from holdfast.records.repair import Fork
from holdfast.records.run import NewRun, Run, Started, Status
from holdfast.store.postgres.batch import FALLEN, ORPHANED, cancelled
from holdfast.store.postgres.columns import of_runs
from holdfast.store.postgres.links import Links, Row
from holdfast.store.postgres.statements import CONNECTION, LEASES, PROMISES, PRUNING, REPAIRS, RUNS
from holdfast.store.postgres.text import stored, stored_or_none
from holdfast.store.postgres.values import run_of

logger = logging.getLogger("holdfast.postgres")

T = TypeVar("T")

FIND_OUT_S = 30.0  # how long the server may be away until somebody is told that nobody knows
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0


class Asking:
    """The requests of one store's clients; see :class:`holdfast.store.base.Store` for what each promises."""

    def __init__(self, links: Links, shown: str) -> None:
        self._links = links
        self._shown = shown

    async def start(self, new: Sequence[NewRun]) -> list[Started]:
        given = (*of_runs(new), cancelled(ORPHANED), cancelled(FALLEN), [stored(run.by) for run in new])

        async def send(again: bool) -> list[Started]:
            found = _started(new, await self._links.write(RUNS.start, *given))
            if not again:
                return found
            # whoever asks gives new ids: what is there under one of them came with the request that was lost
            return [replace(one, created=one.id == run.id) for run, one in zip(new, found, strict=True)]

        return await self._insist(f"start {_several([run.id for run in new])}", send)

    async def cancel(self, run_id: str, *, reason: str, at: int) -> bool:
        given = run_id, stored(reason), cancelled(reason), cancelled(FALLEN), at
        return await self._ask(
            "cancel", run_id, lambda run: (run.cancel_at, run.cancel_reason) == (at, reason), RUNS.cancel, *given
        )

    async def pause(self, run_id: str, *, why: bytes, at: int) -> bool:
        return await self._ask(
            "pause", run_id, lambda run: run.stopped and run.error == why, RUNS.pause, run_id, why, at
        )

    async def resume(self, run_id: str) -> bool:
        return await self._ask("resume", run_id, lambda run: not run.stopped, RUNS.resume, run_id)

    async def retry(self, run_id: str, *, at: int) -> bool:
        return await self._ask(
            "retry", run_id, lambda run: run.status is not Status.FAILED, REPAIRS.retry, run_id, at, patient=True
        )

    async def fork(self, run_id: str, fork: Fork) -> bool:
        edit = (None, None) if fork.edit is None else (fork.edit.ok, fork.edit.value)
        given = run_id, fork.id, fork.seq, fork.version, fork.at, stored_or_none(fork.key), fork.keep_keys, *edit
        tags = [stored(tag) for tag in fork.tags]

        async def send(again: bool) -> Any:
            if again and await self._links.fetch(RUNS.get, fork.id):
                return True
            return _first(await self._links.patiently(REPAIRS.fork, *given, tags, stored(fork.by)))

        made = await self._insist(f"fork run {run_id} as {fork.id}", send)
        if made is None:
            raise UnknownRun(f"no run {run_id!r}, so it cannot be forked")
        return bool(made)

    async def move(self, run_id: str, version: str, *, epoch: int, entries: int) -> bool:
        given = run_id, version, epoch, entries
        return await self._ask("move", run_id, lambda run: run.version == version, REPAIRS.move, *given)

    async def delete(self, run_ids: Sequence[str]) -> int:
        async def send(again: bool) -> int:
            deleted = int(_first(await self._links.patiently(PRUNING.delete, list(run_ids))))
            if deleted or not again:
                return deleted
            # how many went with them, nobody can say any more
            return len(run_ids) - len(await self._links.fetch(RUNS.get_all, list(run_ids)))

        return await self._insist(f"delete {_several(run_ids)}", send)

    async def resolve(self, promise_id: str, *, ok: bool, value: bytes, at: int) -> bool:
        run_id, _, name = stored(promise_id).partition("/")
        given = stored(promise_id), run_id, name, ok, value, at

        async def send(again: bool) -> Any:
            return _first(await self._links.write(PROMISES.resolve, *given, again))

        done = await self._insist(f"resolve promise {promise_id}", send)
        if done is None:
            raise UnknownRun(f"promise {promise_id!r}: no run has the id {run_id!r}")
        return bool(done)

    async def register(self, worker_id: str, *given: Any) -> None:
        async def send(again: bool) -> None:
            await self._links.write(LEASES.register, worker_id, *given)

        await self._insist(f"register worker {worker_id}", send)

    # Inside

    async def _ask(
        self, verb: str, run_id: str, seen: Callable[[Run], bool], statement: str, *args: Any, patient: bool = False
    ) -> bool:
        """Ask for something to be done to a run; ``seen`` is whether the run shows that it was."""
        write = self._links.patiently if patient else self._links.write

        async def send(again: bool) -> bool:
            if _first(await write(statement, *args)):
                return True
            rows = await self._links.fetch(RUNS.get, run_id) if again else []
            return bool(rows) and seen(run_of(rows[0]))

        return await self._insist(f"{verb} run {run_id}", send)

    async def _insist(self, what: str, send: Callable[[bool], Awaitable[T]]) -> T:
        """Send a request; and if its answer was lost, send it again until there is one.

        Raises:
            CommitUnknown: the server has stayed away, and nobody knows.
            StoreError: it was not done.
        """
        try:
            return await send(False)
        except CommitUnknown as unknown:
            logger.warning("the answer to a request to %s was lost (%s): finding out what became of it", what, unknown)
        loop, wait = asyncio.get_running_loop(), _FIRST_WAIT_S
        deadline = loop.time() + FIND_OUT_S
        while True:
            try:
                answer = await send(True)
                await self._links.write(CONNECTION.settle)
                return answer
            except (StoreBusy, CommitUnknown) as trouble:
                if loop.time() + wait > deadline:
                    raise self._unknown(what, trouble) from trouble
            await asyncio.sleep(wait * jitter())
            wait = min(2 * wait, _LONGEST_WAIT_S)

    def _unknown(self, what: str, trouble: Exception) -> CommitUnknown:
        return CommitUnknown(
            f"{self._shown}: the answer to a request to {what} was lost, and for {FIND_OUT_S:g} s the server could not "
            f"say what became of it ({trouble}). Once it is back, look whether it was done; if not, ask again"
        )


def _started(new: Sequence[NewRun], rows: list[Row]) -> list[Started]:
    if not rows:  # all of them are new
        return [Started(id=run.id, created=True, digest=run.digest) for run in new]
    first: dict[str, int] = {}
    for n, run in enumerate(new):
        first.setdefault(run.id, n)
    return [
        Started(id=id, created=fresh and id == run.id and first[id] == n, digest=digest)
        for n, (run, (id, fresh, digest)) in enumerate(zip(new, rows, strict=True))
    ]


def _several(run_ids: Sequence[str]) -> str:
    return f"runs {', '.join(run_ids[:3])}{', …' * (len(run_ids) > 3)}"


def _first(rows: list[Row]) -> Any:
    return rows[0][0] if rows else None
