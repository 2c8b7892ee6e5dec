"""Repairs. See :class:`holdfast.store.nouns.repairs.Repairs`."""

from __future__ import annotations

from typing import Any

from holdfast.errors import UnknownRun
from holdfast.records.repair import Fork
from holdfast.records.run import Status
from holdfast.store.postgres.nouns.ways import Ways, first
from holdfast.store.postgres.statements import REPAIRS, RUNS
from holdfast.store.postgres.text import stored, stored_or_none


class Repairs(Ways):
    """Going back in a run's history, and leaving it."""

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
            return first(await self._links.patiently(REPAIRS.fork, *given, tags, stored(fork.by)))

        made = await self._insist(f"fork run {run_id} as {fork.id}", send)
        if made is None:
            raise UnknownRun(f"no run {run_id!r}, so it cannot be forked")
        return bool(made)

    async def move(self, run_id: str, version: str, *, epoch: int, entries: int) -> bool:
        given = run_id, version, epoch, entries
        return await self._ask("move", run_id, lambda run: run.version == version, REPAIRS.move, *given)
