"""What owners write. See :class:`holdfast.store.nouns.commits.Commits`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.delta import Delta, Verdict
from holdfast.store.postgres.batch import Batch
from holdfast.store.postgres.nouns.ways import Ways

_VERDICTS = (None, Verdict.APPLIED, Verdict.REFUSED, Verdict.AWAKE)  # by their numbers in the routine ``commit``


class Commits(Ways):
    """The one way in which owners write."""

    together = 100  # deltas: what a call costs by itself is a small part of what they cost

    async def commit(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict]:
        batch = Batch(deltas)
        rows = await self._do(self._commits.write(*batch.statement(worker_id, number)), stirs=batch.stirs)
        return [_VERDICTS[number] for number in rows[0][0] or ()]  # type: ignore[misc]  # none of them is 0

    def commit_now(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict] | None:
        return None  # a round trip is never no time
