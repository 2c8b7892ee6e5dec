"""The contract of a store, by noun. The conformance suite (``tests/contract``) is its executable half.

One lock, one counter: every interaction between runs goes through the run's row. Whoever has news for a run
(:class:`~holdfast.records.journal.News`) raises ``wakes``, files the news under that number and turns ``waiting`` into
``queued``, all in one transaction. Suspending is a compare-and-set on ``wakes``. So of two that race, the first under
the lock wins and the other is told. A store that locks rows locks them in the order of their ids.

Times are microseconds. Times of leases are the database's own; all others are given by the caller.

All methods are safe to call from one event loop concurrently; they raise :class:`~holdfast.errors.StoreBusy` for what
may pass, :class:`~holdfast.errors.StoreRejected` for what never will, :class:`~holdfast.errors.StoreUnusable` when the
store cannot be used at all, and :class:`~holdfast.errors.CommitUnknown` if it cannot find out whether what was to be
written is there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from holdfast.records.delta import Delta, Verdict
from holdfast.records.files import FileInfo
from holdfast.records.health import Look
from holdfast.records.journal import EndedChild, Entry, Group, History, Item, News
from holdfast.records.repair import Fork, RetentionRule
from holdfast.records.run import Activation, NewRun, Population, Run, Started, Status
from holdfast.records.worker import Demand, Hosted, Quota, Worker
from holdfast.store.desk import Desk
from holdfast.store.transactions import Transacted, Work


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFilter:
    """Which runs :meth:`Runs.find` returns: all that match every field given, newest first."""

    agent: str | None = None
    version: str | None = None
    statuses: tuple[Status, ...] = ()
    parent: str | None = None  # children of this run
    root: str | None = None  # the tree of this run, itself included
    roots_only: bool = False
    key: str | None = None
    tags: tuple[str, ...] = ()  # all of them
    since: int | None = None  # created at this time or later
    until: int | None = None  # created before this time
    error: str | None = None  # text in ``"Type: message"`` of the error, in whatever case
    limit: int = 100
    before: str | None = None  # the page after this run id (ids sort by creation)


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A run that a worker now owns."""

    run: Run
    history: History
    ready_at: int  # since when it could be claimed
    trace_before: str | None = None  # ``Activation.trace`` of the activation before this one
    trace_parent: str | None = None  # of its parent's last one


NO_QUOTAS: Mapping[str, Quota] = MappingProxyType({})

Recorded = Run | Group | Entry | Item
"""What :meth:`Runs.everything` gives."""


class Runs(Protocol):
    """Runs as rows: starting, finding, cancelling."""

    async def start(self, new: Sequence[NewRun]) -> list[Started]:
        """Insert runs, in one transaction, durable on return.

        A run whose id, or whose (agent, key), exists already is left as it is and reported with
        ``created=False`` and the existing run's id and digest.
        """

    async def get(self, run_id: str) -> Run | None:
        """The run of this id."""

    async def by_key(self, agent: str, key: str) -> Run | None:
        """The run of this agent with this idempotency key."""

    async def find(self, which: RunFilter) -> list[Run]:
        """Runs that match, newest first. ``input`` and ``result`` may be large: keep ``limit`` modest."""

    async def count(self, which: RunFilter | None = None) -> dict[Status, int]:
        """How many runs there are in each status, among those that match; statuses with none are left out."""

    async def population(self) -> list[Population]:
        """How many runs there are of each agent, version and status. Reads every run's row: for now and then."""

    async def journal(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Entries of the present generation with ``seq > after``, by seq, those of finished branches included."""

    def everything(self, run_id: str) -> AsyncIterator[Recorded]:
        """All that is recorded of a run, as of one moment; nothing if there is no such run.

        First the run itself, then its groups by key, then its entries and items by seq, with their values, those inside
        finished branches included.
        """

    async def activations(self, run_id: str) -> list[Activation]:
        """The run's stays in memory, by epoch."""

    async def cancel(self, run_id: str, *, reason: str, at: int) -> bool:
        """Ask a run to cancel: sets ``cancel_at`` and ``cancel_reason`` and files news (op RUN).

        A run that was never claimed has no body to clean up: it ends as ``cancelled`` at once, as if by
        :class:`~holdfast.records.delta.Finish`. A blocked run has no code to clean up with: so does it, and its
        children that are not detached are asked to cancel.
        False if it has ended, is unknown, or was asked before.
        """

    async def pause(self, run_id: str, *, why: bytes, at: int) -> bool:
        """Stop a run until it is resumed; ``why`` becomes its error.

        One in memory is asked to: sets ``pause_at`` and files news (op RUN, key ``pause``); its owner
        ends with :class:`~holdfast.records.delta.Pause`. News goes on to be filed for a paused run, and time does not
        wake it; a cancel puts it back to the queue.
        False if it has ended, is paused or blocked, or was asked to pause or to cancel before.
        """

    async def resume(self, run_id: str) -> bool:
        """Put a ``blocked`` or ``paused`` run back to the queue, forget its lost activations and its error; or take
        back the request to pause it. False if it was none of these.
        """

    async def tag(self, run_id: str, *, add: Sequence[str], remove: Sequence[str]) -> bool:
        """Add and remove tags. False if there is no such run."""


class Repairs(Protocol):
    """Going back in a run's history, and leaving it."""

    async def retry(self, run_id: str, *, at: int) -> bool:
        """Put a ``failed`` run back to the queue, to go on from before what made it fail (``Run.ended_by``).

        Deleted are: the entry or item of that number, what is recorded of the attempts before it, and whatever was
        recorded after it, except outcomes of effects whose intent is older: they have happened. Promises that were
        resolved and approvals that were decided are news again if they are no longer journaled; of approvals that
        nobody decided the intent goes as well, and so do approvals without any entry: the body asks again. Its children
        whose end is no longer journaled are unlinked, and linked again when a delta starts them again: then those that
        succeeded are news, those that did not are retried likewise, and the others run on. Its deadline begins again. A
        parent that knows of the failure is not told of another end.
        False if it has not failed, or children of it that are not detached have not ended yet.
        """

    async def fork(self, run_id: str, fork: Fork) -> bool:
        """Make a run that begins with the first ``fork.seq`` entries and items of another, as copies.

        Intents and attempts without an outcome among them are left out, as are groups: the fork makes those calls
        again, and asks people again whose decision is not among them.
        Promises declared among them are declared for the fork, resolved if their outcome is among them.
        False if a run of ``fork.id``, or of the same agent and ``fork.key``, exists already.

        Raises:
            UnknownRun: there is no run to fork.
        """

    async def move(self, run_id: str, version: str, *, epoch: int, entries: int) -> bool:
        """Make a run go on as another version of its agent.

        False unless it is queued, waiting, paused or blocked, and its epoch and number of entries are those given: what
        the caller has checked must still be what there is.
        """


class Retention(Protocol):
    """Deleting runs that have ended, whole trees at a time."""

    async def outlived(self, rule: RetentionRule, *, now: int, limit: int) -> list[str]:
        """Ids of runs without a parent that a rule no longer keeps, the longest ended first.

        A rule counts for each agent and status by itself.
        """

    async def delete(self, run_ids: Sequence[str]) -> int:
        """Delete runs with all their descendants, and everything that belongs to them; says how many rows of runs went.

        Left as they are: runs that have not ended or have a descendant that has not, runs with a parent, unknown ones.
        The space is free for the store to use again, and given back to the disk where that is cheap.
        """


class Claims(Protocol):
    """Runs as work."""

    async def claim(
        self,
        worker_id: str,
        hosts: Sequence[Hosted],
        builds: Sequence[str],
        *,
        limit: int,
        now: int,
        quotas: Mapping[str, Quota] = NO_QUOTAS,
    ) -> list[Claimed]:
        """Take up to ``limit`` runs of the hosted versions and become their owner.

        Runs that are queued (and not held by their group); waiting with ``wake_at <= now``; or running under a worker
        whose lease has expired or is gone: that worker's row is deleted and each of its runs has ``lost`` raised.
        By priority (higher first); then fairly between agents, if there are more than ``limit``: the next is of the
        agent of which this worker has the fewest, those chosen before included, and of several such the one that comes
        first in ``hosts``; of an agent, whatever its versions, those that have been ready for longest.
        Of an agent in ``quotas`` no more are claimed than its quota leaves, counted over all workers of the store:
        ``limit`` runs of it that are running, and ``starts`` that were claimed for the first time (``started_at`` not
        set) with ``now`` in any ``period``. Claims that would exceed it together exclude each other. What is due counts
        as queued even if its quota leaves no room. A ``now`` that is far from everybody else's counts for little.
        Each has its ``epoch`` raised, its ``worker`` set, status ``running``, ``started_at`` set if it was not, and
        an activation recorded with the build at the same index as its version in ``hosts``.
        Of runs with ``lost == 2`` a worker owns one at a time: only the one that kills it may be lost a third time.
        A run with ``lost >= 3`` is not claimed but set to ``blocked`` with
        ``codec.pack_failure("WorkerLost", …)`` as its error.

        Raises:
            LeaseLost: the worker's own lease has expired or is gone.
        """

    async def load(self, rid: int) -> History:
        """The run's history again, as of now (an owner whose commit answered strangely re-reads it)."""

    async def woken(self, worker_id: str) -> list[tuple[int, int]]:
        """(rid, wakes) of the worker's running runs that have news their journal does not hold."""

    async def news(self, rid: int, *, after: int) -> list[News]:
        """News of a run with ``wake > after``, by wake."""

    async def ended_children(self, rid: int, map: int) -> list[EndedChild]:
        """Children of a group that have ended and have no item yet, in the order in which they ended."""

    async def next_wake(
        self, hosts: Sequence[Hosted], quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int = 0
    ) -> int | None:
        """When there is something to claim next, if nobody does anything.

        The earliest ``wake_at`` among waiting runs of the hosted versions, or when the rate of an agent, which holds
        back queued runs, lets one of them begin.
        """

    async def demand(
        self, agents: Sequence[str] | None, quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int
    ) -> Demand:
        """What there is to do for workers of these agents, or of all. Held and paused runs do not count.

        Of an agent in ``quotas`` no more of the queued and due ones count than could be claimed now.
        """

    def item_values(self, rid: int, map: int, ords: Sequence[int]) -> list[bytes]:
        """Values of items, in the order of ``ords``. Blocking, thread-safe: a lazy sequence calls it from the body."""


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
            LeaseLost: the worker's row is gone.
            StoreRejected: a delta can never be applied; nothing was. Send them one by one to find it.
            StoreBusy: nothing was applied.
            CommitUnknown: send the same batch under the same number again.
        """

    def commit_now(self, worker_id: str, number: int, deltas: Sequence[Delta]) -> list[Verdict] | None:
        """The same without waiting for anybody, if it takes no noticeable time just now; None if it would: nothing was
        done then, and :meth:`commit` does it. Raises the same.
        """


class Transactions(Protocol):
    """Rows of users' own, in the database that their runs live in."""

    async def transact(self, worker_id: str, work: Work) -> Transacted:
        """Do work in a transaction of its own, and keep its value under its key in that transaction: all or nothing.

        A key that is kept already has happened: nothing is done, and what is kept is answered. What is kept goes with
        the run's rows, and when the run begins again (:class:`~holdfast.records.delta.Renew`).

        The owner is checked in the same transaction, by the run's epoch, worker and status. A store whose writers stand
        in line checks first; one in which the work may take long checks last, under the run's lock, and finds out under
        the same lock whether another has kept the key meanwhile: then it rolls back and answers that.
        What the work does is refused or fails if it would end the transaction. It is rolled back if at its end nobody
        wants it any more (``work.wanted``), or it took longer than ``work.limit``.

        Raises:
            WorkFailed: the work raised; nothing was written.
            WorkTooLong: it took longer than it may; nothing was written.
            BadOption: work of this kind (async or not) is none for this store; it was not begun.
            LeaseLost: the run has another owner; nothing was written.
            StoreBusy: nothing was written.
            CommitUnknown: send the same work again: its key tells whether it was done.
        """


class Promises(Protocol):
    """Write-once values that runs wait for."""

    async def schema(self, promise_id: str) -> bytes | None:
        """The JSON Schema with which it was declared, None if it has not been declared yet."""

    async def resolve(self, promise_id: str, *, ok: bool, value: bytes, at: int) -> bool:
        """Resolve it, declared or not, and file news for its run.

        False if it was resolved before, or its run has ended.

        Raises:
            UnknownRun: no run has the id before the first ``/`` of ``promise_id``.
        """


class Files(Protocol):
    """What runs' workspaces hold.

    Which file is made of what comes with the deltas (:class:`~holdfast.records.files.FileInfo`); its content comes
    before them. A run that begins again (:class:`~holdfast.records.delta.Renew`) keeps the files that it has then, as
    of entry 0.
    """

    async def put_contents(self, contents: Mapping[bytes, bytes]) -> None:
        """Keep contents, by the digest of their plain bytes: packed, a few megabytes at a time. Idempotent."""

    async def contents(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Packed contents by digest; those that are not there are left out."""

    async def files(self, run_id: str, *, at: int | None = None) -> list[FileInfo]:
        """A run's files by path: as they are, or as of the entry or item with the number ``at``."""

    async def sweep_contents(self, *, age: int, limit: int) -> int:
        """Delete up to ``limit`` contents that no run's files refer to and nobody has put for ``age`` microseconds.

        By the database's time. Says how many went.
        """


class LeaseKeeper(Protocol):
    """Renews one worker's lease from a thread of its own, on a connection of its own."""

    def renew(self) -> bool:
        """Extend the lease. Blocking. False: it had expired or is gone, and the worker must stop."""

    def close(self) -> None:
        """Release the connection."""


class Leases(Protocol):
    """Workers' rights to execute runs."""

    async def register(self, worker_id: str, *, host: str, pid: int, hosts: Sequence[Hosted], ttl: int) -> None:
        """Insert the worker with a lease of ``ttl`` from now, its commit counter at 0."""

    def keeper(self, worker_id: str, *, ttl: int) -> LeaseKeeper:
        """What renews the lease."""

    async def release(self, worker_id: str) -> None:
        """Delete the worker and hand its runs back to the queue (``lost`` is not raised)."""

    async def workers(self) -> list[Worker]:
        """All workers whose lease has not expired."""


class Watch(Protocol):
    """Waits for change. Notifications may be lost: it also returns when polling finds something, or time is up."""

    async def wait(self, timeout: float) -> None:
        """Return soon after anything changed in the store, by whatever process, or after ``timeout`` seconds."""

    def close(self) -> None:
        """Stop watching; a pending ``wait`` returns."""


MAX_TOLD = 60_000
"""Bytes that can be told at once."""


class Ears(Protocol):
    """Hears what is told of one run, from the moment it is made."""

    async def hear(self, timeout: float) -> list[bytes]:
        """What was told since the last call, in order; waits up to ``timeout`` seconds for something."""

    def close(self) -> None:
        """Hear no more; idempotent."""


class Telling(Protocol):
    """What is told of runs while they are at work: it reaches whoever listens just then, and is kept nowhere."""

    def tell(self, run_id: str, data: Callable[[], bytes]) -> None:
        """Tell those who listen, in whatever process. At once, from any thread; never raises, and may be lost.

        Args:
            run_id: of the run it is about.
            data: gives at most :data:`MAX_TOLD` bytes; called only if somebody listens, or may. It must not raise.
        """

    def ears(self, run_id: str) -> Ears:
        """What hears whatever is told of a run from now on."""


class Health(Protocol):
    """A look at a store that may be in any state. It changes and creates nothing, and does not wait for long."""

    url: str

    def look(self, *, deep: bool = False) -> Look:
        """Look at it. Blocking, for some seconds at the most.

        Args:
            deep: check all that is stored, however long that takes.

        Returns:
            What was found, bad or good. Nothing that is wrong with the store is raised.
        """


class Store(
    Runs, Repairs, Retention, Claims, Commits, Transactions, Promises, Files, Leases, Telling, Desk, Protocol
):  # fmt: skip
    """A database in which runs live."""

    url: str

    def watch(self) -> Watch:
        """A new watch, which sees every change from now on."""

    def health(self) -> Health:
        """What looks at it from beside, over a connection of its own: at this store as it is, whatever is wrong."""

    async def close(self) -> None:
        """Release everything; idempotent."""
