"""What an activation has still to write: asks of the body, results, news, and what the clock has made due."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from holdfast.clock import SECOND, Clock
from holdfast.durable.core import Core
from holdfast.durable.draft import Draft
from holdfast.durable.mailbox import Mailbox
from holdfast.records.delta import End
from holdfast.records.run import Run

Write = Callable[[Draft], None]


class Outgoing:
    """Writes of one run, in the order in which the journal shall hold them.

    Args:
        run: whose they are.
        clock: of timers and deadlines.
        mail: news that was read.
        last_seq: the number of the last entry or item that is durable.

    Attributes:
        asks: what the body asks for; effects of the same drain wait until it is durable.
        results: what has happened.
        end: how the run leaves memory, once the rest is written.
        last_seq: as above, now.
    """

    def __init__(self, run: Run, clock: Clock, mail: Mailbox, last_seq: int) -> None:
        self.asks: deque[Write] = deque()
        self.results: deque[Write] = deque()
        self.end: End | None = None
        self.last_seq = last_seq
        self._run = run
        self._clock = clock
        self._mail = mail
        self._progress = run.progress

    def __bool__(self) -> bool:
        return bool(self.asks or self.results or self._mail)

    def drop(self) -> None:
        """Write nothing of this any more."""
        self.asks.clear()
        self.results.clear()

    def may_have(self, core: Core | None) -> bool:
        """Whether there may be something to write. Asked twice for every step, so it does not make a draft to see."""
        return bool(
            self.asks
            or self.results
            or self._mail
            or self.end is not None
            or self._run.deadline_at is not None
            or (core is not None and (core.progress is not None or core.timers.next_deadline() is not None))
        )

    def draft(self, core: Core | None, pause: Callable[[], None]) -> Draft:
        """As much of it as one delta should hold; ``pause`` is called if news asks for that."""
        draft = Draft(self.last_seq, max(self._clock.now(), core.now if core else 0))
        _move(self.asks, draft)
        if self.end is None and self._mail:
            # Before the results, among them the ends of children that a cancel has ended: see Mailbox.read.
            self._mail.write(
                draft, lambda to, reason: _cancel(core, to, reason), pause, lambda key: _branch_of(core, key)
            )
        _move(self.results, draft)
        if core is not None and core.progress is not None and core.progress != self._progress:
            draft.progress = self._progress = core.progress
        if self.end is not None:
            draft.end = None if self.asks else self.end
        elif core is not None:
            self._add_time(core, draft)
        return draft

    def cancel_is_due(self, core: Core | None) -> bool:
        """A cancel that is known comes before the effects of the drain that preceded it."""
        if core is not None and core.cancelling is not None:
            return False  # it has come, and what is asked for now cleans up
        deadline = self._run.deadline_at
        return (bool(self._mail) and self._mail.has_cancel) or (deadline is not None and deadline <= self._clock.now())

    def _add_time(self, core: Core, draft: Draft) -> None:
        """What the clock has made due: timers, the run's own deadline."""
        if due := core.timers.due(draft.at):
            draft.fired(due)
        deadline = self._run.deadline_at
        if deadline is not None and deadline <= draft.at:
            timeout = (deadline - self._run.created_at) / SECOND
            _cancel(core, draft, f"the run's timeout of {timeout:g} s passed", timed_out=True)


def _move(waiting: deque[Write], draft: Draft) -> None:
    while waiting and not draft.full:
        waiting.popleft()(draft)


def _cancel(core: Core | None, draft: Draft, reason: str, *, timed_out: bool = False) -> None:
    if core is not None and core.cancelling is None and not draft.cancels_run:
        draft.cancel(timed_out=timed_out, reason=reason)


def _branch_of(core: Core | None, key: str) -> int | None:
    """The branch in which a promise was declared or a child started."""
    intent = core.recorded.intents.get(key) if core else None
    return intent.branch if intent else None
