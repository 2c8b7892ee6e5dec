"""Group commit: the store is at work while runs go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from holdfast.durable.committer import Committer
from holdfast.errors import StoreError
from holdfast.records.delta import Delta, Verdict


class _Elsewhere:
    """A store that takes two deltas at a time and says when it is asked."""

    together = 2

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def commit_now(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> None:
        """Never at once."""

    async def commit(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict]:
        self._said.append(f"sent {number}: {len(deltas)}")
        await asyncio.sleep(0)
        return [Verdict.APPLIED for _ in deltas]


async def _commit(said: list[str], count: int) -> None:
    committer, told = Committer(_Elsewhere(said), "w"), asyncio.Event()

    def hear(n: int, verdict: Verdict | StoreError) -> None:
        assert verdict is Verdict.APPLIED
        said.append(f"told {n}")
        if n == count:
            told.set()

    for n in range(1, count + 1):
        committer.submit(Delta(n, 1), 10, lambda verdict, n=n: hear(n, verdict))  # type: ignore[misc]
    await told.wait()
    await committer.close(timeout=1)


def test_the_next_batch_is_sent_before_runs_are_told_of_the_last() -> None:
    said: list[str] = []
    asyncio.run(_commit(said, 4))
    assert said.index("sent 2: 2") < said.index("told 1")


def test_verdicts_are_told_once_and_in_the_order_of_commits() -> None:
    said: list[str] = []
    asyncio.run(_commit(said, 7))
    assert [one for one in said if one.startswith("told")] == [f"told {n}" for n in range(1, 8)]
