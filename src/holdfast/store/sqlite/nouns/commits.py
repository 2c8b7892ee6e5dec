"""What owners write. See :class:`holdfast.store.nouns.commits.Commits`."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.records.delta import Delta, Verdict
from holdfast.store.sqlite import commits
from holdfast.store.sqlite.nouns.ways import SMALL_ROWS, Ways


class Commits(Ways):
    """The one way in which owners write."""

    together = 1000  # more deltas share a sync of the disk than there are; it is this process that is busy meanwhile

    async def commit(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict]:
        return await self._write(commits.commit, worker_id, number, deltas, rows=_rows(deltas))

    def commit_now(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict] | None:
        self._refuse_closed()
        if _rows(deltas) > SMALL_ROWS:
            return None
        done = self._file.write_now(lambda tx: commits.commit(tx, worker_id, number, deltas), fault=self.fault)
        return None if done is None else done[0]


def _rows(deltas: Sequence[Delta]) -> int:
    """About how many rows a batch is to write, or enough to tell that it is not small."""
    return len(deltas) if len(deltas) > SMALL_ROWS else sum(map(commits.weight, deltas))
