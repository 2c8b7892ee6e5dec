"""What owners write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.records.delta import Delta, Verdict


class Commits(Protocol):
    """The one way in which owners write.

    Attributes:
        together: how many deltas a batch had better hold at most. A store that works elsewhere takes fewer, so that it
            is at work on some runs while others go on here.
    """

    together: int

    async def commit(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict]:
        """Apply a batch in one durable transaction, each delta whole or not at all.

        A delta is refused when its run's epoch or owner differs or it is not running. ``number`` is one more than the
        worker's last commit: the store moves the worker's counter by compare-and-set in the same transaction and keeps
        the verdicts beside it, so a batch that is sent again under the same number is not applied again and answers the
        same. A delta with entries or items resets the run's ``lost``; one with a trace keeps it with the activation.

        The ends: Suspend (compare-and-set on ``wakes``; AWAKE if it fails); Finish (files news for the
        parent, or counts in its group and releases the next held child; cancels children that have not ended and are
        not detached; withdraws what it asks of people); Block; Pause; Renew (deletes journal, items, groups, resolved
        promises, and decisions of people that are not journaled; withdraws what it asks of them; raises
        ``generation``; status ``queued``); HandBack (status ``queued``).
        Children of a parent that has been asked to cancel are born with ``cancel_at`` set, unless detached.

        A group that is told of ``every`` end: its parent at each while it is in memory; suspended, once for every
        sixteenth of its children, or by ``wake_at`` after 10 ms for each of them, so that ten thousand ends do not
        replay it ten thousand times.

        Raises:
            LeaseLost: the worker's row is gone; or the store has forgotten commits before this one, as a standby that
                lacked them, or a backup, has.
            StoreRejected: a delta can never be applied; nothing was. Send them one by one to find it.
            StoreBusy: nothing was applied.
            CommitUnknown: send the same batch under the same number again.
        """

    def commit_now(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict] | None:
        """The same without waiting for anybody, if it takes no noticeable time just now; None if it would: nothing was
        done then, and :meth:`commit` does it. Raises the same.
        """
