"""An activation: one stay of a run in memory. It holds the pure core and does what the core asks for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial, wraps
from typing import Any, TypeVar, cast

from holdfast import codec
from holdfast.clock import boot_seconds
from holdfast.durable import asks, ending
from holdfast.durable.asks import Ask, Chunk, Effect
from holdfast.durable.catalog import Agent
from holdfast.durable.core import Core
from holdfast.durable.draft import Draft
from holdfast.durable.effects import Ended, backoff
from holdfast.durable.mailbox import Mailbox, item_of
from holdfast.durable.observer import Observer
from holdfast.durable.outgoing import Outgoing
from holdfast.durable.points import reach
from holdfast.durable.replay import make_core
from holdfast.durable.resting import Resting
from holdfast.durable.running import Running
from holdfast.durable.services import Services
from holdfast.durable.wishes import write
from holdfast.errors import HoldfastError, LeaseLost, StoreBusy, StoreError, StoreRejected
from holdfast.records.delta import Block, End, Finish, Pause, Suspend, Verdict
from holdfast.records.journal import EndedChild, Entry
from holdfast.records.run import Run
from holdfast.settings import MAX_ENTRIES, WARN_ENTRIES
from holdfast.store.base import Claimed

logger = logging.getLogger("holdfast.run")

F = TypeVar("F", bound=Callable[..., None])

_READ_AGAIN = 0.2  # seconds
_READS = 5
_BEFORE = {Suspend: "suspending", Finish: "ending"}
_AFTER = {Suspend: "suspended", Finish: "ended"}


def _watched(entry: F) -> F:
    """A way into an activation: a defect inside stops the run and says so, instead of leaving it hanging."""

    @wraps(entry)
    def enter(self: Activation, *args: Any, **kwargs: Any) -> None:
        try:
            entry(self, *args, **kwargs)
        except Exception as error:
            self.broke(error)

    return cast(F, enter)


class Activation:
    """Drives one run from its claim until it leaves memory.

    One thing is in flight at a time, a commit or a read; what becomes ready meanwhile shares the next delta.
    """

    def __init__(self, claimed: Claimed, agent: Agent[Any, Any], services: Services) -> None:
        run = self.run = claimed.run
        self.retired = False
        self._agent = agent
        self._services = services
        self._clock = services.clock
        self._history = claimed.history
        self._log = {"run": run.id, "agent": run.agent, "version": run.version}
        prefix = _keys_begin_with(run)
        self._observer = Observer(claimed, agent.build, services.clock.now())
        self._workspace = services.workspaces.of(run)
        self._running = Running(
            services.effects, services.clock, prefix, self._effects_ended, self._log, self._observer,
            self._workspace, self._workspace_broke, (run.rid, run.epoch),
        )  # fmt: skip
        self._mail = Mailbox(claimed, services.store)
        self._out = Outgoing(run, services.clock, self._mail, _last_seq(claimed))
        self._resting = Resting(run, services, self._alarmed, self._suspend_if_quiet)
        self._to_start: list[Effect | Chunk] = []
        self._entries = sum(entry.branch is None for entry in claimed.history.entries)  # in maps they do not count
        self._retries: list[tuple[Effect, Entry]] = []  # to be tried again, once that is durable
        self._leaving = False
        self._pausing = run.pause_at is not None and run.cancel_at is None  # leave it paused
        self._in_flight = False
        self._restless_since: float | None = None
        self._flight: asyncio.Task[None] | None = None
        self._broken = False
        self._unread: StoreError | None = None
        self.core: Core | None = None

    @property
    def quiescent(self) -> bool:
        """Whether only the outside can move this run."""
        return not (
            self._running.busy or self._in_flight or self._out or self._to_start or self._restless_since is not None
        )

    @_watched
    def start(self) -> None:
        """Replay the journal and go on."""
        run = self.run
        reach("claimed", run.id)
        if self._pausing:  # its last owner was asked to, and has not come to it
            self._leave()
            return
        if run.entries > WARN_ENTRIES:
            self.say(
                logging.WARNING,
                f"the journal has {run.entries:,} entries; at {MAX_ENTRIES:,} the run stops: use ctx.continue_as",
            )
        try:
            self.core = make_core(self._agent, run, self._history, self._services.effects.deps, self._item_values)
            self.core.place = self._workspace.place
        except HoldfastError as error:
            self._stop_with(Block(why=codec.failure_of(error).pack()))
            return
        self._pump()

    def _too_long(self) -> Pause:
        what = (
            f"the journal has {self._entries:,} entries: a run stops at every {MAX_ENTRIES:,}, since they make its "
            "activations slow. Let the body go on with ctx.continue_as; resume the run for as many more"
        )
        return Pause(why=codec.pack_failure("JournalTooLong", what))

    def _item_values(self, map_hash: int, ords: Sequence[int]) -> list[bytes]:
        for _ in range(_READS - 1):
            try:
                return self._services.store.item_values(self.run.rid, map_hash, ords)
            except StoreBusy:
                logger.info("values of a map could not be read; trying again", exc_info=True)
        try:
            return self._services.store.item_values(self.run.rid, map_hash, ords)
        except StoreError as error:
            self._unread = error  # whatever the body makes of it: it was asked for something that is there
            raise

    @_watched
    def wake(self, wakes: int) -> None:
        """There is news up to this number."""
        self._mail.announce(wakes)
        self._flush()

    @_watched
    def leave_early(self) -> None:
        """Others want the place: suspend now if quiescent, without lingering."""
        if self._resting.lingers:
            self._suspend_if_quiet()

    @_watched
    def hand_back(self) -> None:
        """The worker stops: begin nothing more, and leave memory once the effects at work are recorded."""
        self._leaving = True
        self._flush()

    def _pause(self) -> None:
        """Begin nothing more, and leave the run paused once the effects at work are recorded."""
        if self.core is not None and self.core.cancelling is None:
            self._pausing = self._leaving = True
            self.say(logging.INFO, "asked to pause: what is at work ends, nothing more begins")

    def _leave(self) -> None:
        if not self._pausing:
            self.retire()
            return
        draft = Draft(self._out.last_seq, self._clock.now())
        draft.end = Pause()
        self._commit(draft)

    def retire(self, end: End | None = None) -> None:
        """Leave memory, after ``end`` if any was committed.

        From here on nothing that the body or its effects do has any effect on the run.
        """
        if self.retired:
            return
        self.retired = True
        self._resting.stop()
        self._running.cancel_all()
        core, self.core = self.core, None
        if core is not None and core.retire():
            core.dismantle()
        elif core is not None:
            self.say(
                logging.WARNING, "its body swallows CancelledError over and over; some of its tasks were left behind"
            )
        self._services.workspaces.leave(self._workspace)
        self._observer.left(end, handed_back=self._leaving)
        self._services.gone(self)
        del (
            self._running,
            self._resting,
        )  # they call back to here: without them it goes at once, with its last reference

    def broke(self, error: BaseException) -> None:
        """Something raised that must not: a defect of Holdfast's, which a person has to look at."""
        if isinstance(error, StoreError):  # a read that failed: the run is none the worse
            self.say(logging.ERROR, f"the store could not be read: {error}")
            self.retire()
            self._services.lost()
            return
        self.say(logging.CRITICAL, "an internal error stopped it", error=error)
        if self._broken or self.retired:
            self.retire()
            return
        self._broken = True
        self._in_flight = False
        self._out.results.clear()
        failed = codec.failure_of(error)
        why = codec.pack_failure("InternalError", f"{failed.type_name}: {failed.message}", failed.traceback_text)
        self._stop_with(Block(why=why))

    @_watched
    def _workspace_broke(self, error: Exception) -> None:
        """A person has to look at the disk. What was at work is at work again when the run is resumed."""
        if isinstance(error, LeaseLost | StoreBusy):
            self.broke(error)
        elif not self.retired:
            why = f"its workspace cannot be used: {type(error).__name__}: {error}; mend that, then resume the run"
            self._stop_with(Block(why=codec.pack_failure("WorkspaceUnusable", why)))

    def say(self, level: int, message: str, *, error: BaseException | None = None) -> None:
        """Log about this run."""
        told = {"holdfast": self._log}
        logger.log(level, "run %s (%s): %s", self.run.id, self.run.agent, message, extra=told, exc_info=error)

    # -- the body

    def _pump(self) -> None:
        """Let the body run until it rests, a bounded number of callbacks per turn; then do what it asked for."""
        core, services = self.core, self._services
        if self.retired or core is None or self._out.end is not None:
            return
        services.busy_with(self.run)
        try:
            rested = core.advance(services.settings.turn)
        finally:
            services.busy_with(None)
        if self._unread is not None:
            self.broke(self._unread)
            return
        if not rested:
            self._not_rested()
            return
        self._restless_since = None
        reach("replayed", self.run.id)
        for ask in core.take():
            self._perform(ask)
        if core.over:
            self._body_ended()
        self._flush()

    @_watched
    def _pump_again(self) -> None:
        self._pump()

    def _not_rested(self) -> None:
        now = boot_seconds()  # not the injected clock: a body that spins may be all that keeps it from moving
        if self._restless_since is None:
            self._restless_since = now
        elif now - self._restless_since > self._services.settings.silent:
            message = "the body has not come to rest for minutes: it spins on callbacks without waiting for anything"
            self._stop_with(Block(why=codec.pack_failure("Spinning", message)))
            return
        asyncio.get_running_loop().call_soon(self._pump_again)

    def _perform(self, ask: Ask) -> None:
        match ask:
            case asks.Effect() | asks.Chunk():
                if isinstance(ask, asks.Effect) and ask.call.options.effect == "at_most_once" and not ask.begun:
                    self._out.asks.append(lambda draft: write(draft, self.run, ask))
                self._to_start.append(ask)
            case asks.Abandon():
                self._to_start = [work for work in self._to_start if work.key != ask.key]
                self._running.abandon(ask.key)
            case asks.BranchEnded():
                self._out.results.append(lambda draft: draft.item(ask.item, ok=ask.ok, value=ask.value))
            case _:
                self._out.asks.append(lambda draft: write(draft, self.run, ask))

    def _body_ended(self) -> None:
        assert self.core is not None, "a pumped activation has a core"
        if not self.core.blocked:
            self.core.end_check()
        self._out.results.clear()
        self._mail.clear()
        returns = codec.hints_of(self._agent.fn).returns
        self._stop_with(ending.end_of(self.core, returns, self._clock.now()))

    def _stop_with(self, end: End) -> None:
        """Write what is still to be written, then the end."""
        self._out.end = end
        self._to_start.clear()
        self._running.cancel_all()
        if isinstance(end, Block):
            self._out.asks.clear()
            self.say(logging.ERROR, f"blocked: {codec.Failed.unpack(end.why).message}")
        elif isinstance(end, Pause) and end.why is not None:
            self.say(logging.ERROR, f"paused: {codec.Failed.unpack(end.why).message}")
        self._flush()

    # -- effects

    @_watched
    def _effects_ended(self, ended: Sequence[tuple[Effect, Ended]]) -> None:
        reach("effect-ended", self.run.id)
        for effect, outcome in ended:
            self._out.results.append(partial(self._record, effect, outcome))
        self._flush()

    def _record(self, effect: Effect, ended: Ended, draft: Draft) -> None:
        failures = len(effect.failures) + 1
        if ended.retry and failures <= effect.call.options.retries:
            attempt = draft.attempt(effect, failures, ended.value, draft.at + backoff(effect.call.options, failures))
            self._retries.append((effect, attempt))  # begun once the attempt is durable
        else:
            draft.outcome(effect, ok=ended.ok, value=ended.value)
        if self._workspace.changes:
            draft.file(self._workspace.take(draft.last_seq))

    def _start_effects(self, works: Sequence[Effect | Chunk]) -> None:
        if not self._services.may_begin():
            self._services.lost()
            return
        for work in works:
            reach("effect-begins", self.run.id)
            self._running.begin(work)

    # -- writing

    def _flush(self) -> None:
        """Commit what is ready; else read news; else start what may start; else rest."""
        out = self._out
        if self.retired or self._in_flight or (self._restless_since is not None and out.end is None):
            return
        if self._to_start and not out.asks and not self._leaving and not out.cancel_is_due(self.core):
            works, self._to_start = self._to_start, []
            self._start_effects(works)
        if out.may_have(self.core) and (draft := out.draft(self.core, self._pause)):
            self._commit(draft)
        elif out.end is None and self._mail.unread:
            self._fly(self._read_news())
        elif self._leaving and not self._running.busy:
            self._leave()
        else:
            self._rest()

    def _fly(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin the one thing that is in flight."""
        self._in_flight = True
        self._flight = asyncio.get_running_loop().create_task(work, name=f"holdfast-run {self.run.id}")
        self._flight.add_done_callback(self._landed)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        error = None if flight.cancelled() else flight.exception()
        if isinstance(error, Exception):
            self.broke(error)

    def _commit(self, draft: Draft) -> None:
        self._in_flight = True
        waits = bool(self._out.asks) or draft.cancels_run
        starting, self._to_start = ([], self._to_start) if waits else (self._to_start, [])
        reach(_BEFORE.get(type(draft.end), "committing"), self.run.id)
        delta = self._observer.stamped(draft.delta(self.run.rid, self.run.epoch))
        self._services.committer.submit(delta, draft.bytes, partial(self._judged, draft, starting))

    @_watched
    def _judged(self, draft: Draft, starting: Sequence[Effect | Chunk], verdict: Verdict | StoreError) -> None:
        self._in_flight = False
        if isinstance(verdict, StoreError):
            self._not_committed(draft, verdict)
            return
        reach(_AFTER.get(type(draft.end), "committed"), self.run.id)
        if self.retired:
            return
        if verdict is Verdict.REFUSED:
            self.say(logging.WARNING, "another worker owns it now; this one stops working on it")
            self.retire()
        elif draft.end is not None and verdict is Verdict.APPLIED:
            self.retire(draft.end)
        else:
            self._committed(draft, starting)

    def _not_committed(self, draft: Draft, error: StoreError) -> None:
        if isinstance(error, StoreRejected) and not self.retired:
            self._reject(draft, error)
            return
        if not isinstance(error, LeaseLost):  # not transient either, or the committer would have tried again
            self.say(logging.CRITICAL, f"the store cannot be used any more: {error}")
        self.retire()
        self._services.lost()

    def _committed(self, draft: Draft, starting: Sequence[Effect | Chunk]) -> None:
        self._out.last_seq = draft.last_seq
        before, self._entries = self._entries, self._entries + draft.counted
        if self._retries:
            retries, self._retries = self._retries, []
            for effect, attempt in retries:
                self._running.park(effect, attempt)
        if self._out.end is None and self._entries // MAX_ENTRIES > before // MAX_ENTRIES:
            self._stop_with(self._too_long())
            return
        if isinstance(draft.end, Suspend):  # news came while it was suspending
            self._mail.announce(self._mail.read_to + 1)
        if self.core is not None:
            for entry in draft.noted:
                self.core.recorded.note(entry)
            if draft.groups:
                self._mail.moved(group.map for group in draft.groups)
            self.core.push(draft.deliveries)
        if self._out.end is not None:  # it was to end while this was in flight
            self._flush()
            return
        if starting:
            self._start_effects([work for work in starting if not self._leaving or _may_have_begun(work)])
        if draft.deliveries:
            self._pump()
        else:
            self._flush()

    def _reject(self, draft: Draft, error: StoreRejected) -> None:
        """What the run wrote can never be stored: only this run fails."""
        if isinstance(draft.end, Finish):
            self.say(logging.CRITICAL, f"its end cannot be stored: {error}")
            self.retire()
            return
        self._out.drop()
        self._stop_with(ending.failed("StoreRejected", str(error), self._clock.now()))

    # -- reading

    async def _read_news(self) -> None:
        try:
            for map_hash, children in await self._mail.read():
                for child in children:
                    self._out.results.append(self._child_item(map_hash, child))
        except StoreError as error:
            self.say(logging.WARNING, f"news could not be read ({error}); trying again")
            await asyncio.sleep(_READ_AGAIN)
        finally:
            self._in_flight = False
        self._flush()

    def _child_item(self, map_hash: int, child: EndedChild) -> Callable[[Draft], None]:
        ref = item_of(map_hash, child, self._within(map_hash))
        return lambda draft: draft.item(ref, ok=child.ok, value=None)

    def _within(self, map_hash: int) -> int | None:
        run = self.core.maps.get(map_hash) if self.core else None
        return run.scope.branch if run else None

    # -- resting

    def _rest(self) -> None:
        if self.retired or self.core is None or self._out.end is not None:
            return
        if self._running.parked and self._services.may_begin() and not self._leaving:
            self._running.begin_due()
        if self._resting.rest(self.core, self._running, self._out.last_seq, quiescent=self.quiescent):
            self._suspend_if_quiet()

    @_watched
    def _suspend_if_quiet(self) -> None:
        if self.retired or self.core is None:
            return
        self._resting.stop_lingering()
        if not self.quiescent or self._out.end is not None or self._mail.unread:
            return
        draft = Draft(self._out.last_seq, self._clock.now())
        draft.end = Suspend(wakes=self._mail.read_to, wake_at=self._resting.next_wake(self.core, self._running))
        self._commit(draft)

    @_watched
    def _alarmed(self) -> None:
        if self.retired or self.core is None:
            return
        cancelling, over = self.core.cancelling, self._clock.now()
        if cancelling is not None and over >= self._resting.grace_ends(self.core) and self._out.end is None:
            self.say(logging.WARNING, "its time to clean up is over")
            self._out.results.clear()
            self._stop_with(ending.cancelled(cancelling, over))
        else:
            self._flush()


def _may_have_begun(work: Effect | Chunk) -> bool:
    """Whether its intent is recorded by now: if it does not begin, nobody will ever know."""
    return isinstance(work, Effect) and work.call.options.effect == "at_most_once"


def _keys_begin_with(run: Run) -> str:
    """What the idempotency keys of its effects begin with: its own, or those of the run it was forked from."""
    if run.origin is not None and run.origin.keys is not None:
        return run.origin.keys
    return f"{run.id}.{run.generation}" if run.generation else run.id


def _last_seq(claimed: Claimed) -> int:
    """The highest number given so far: entries and items count together."""
    entries: Sequence[Entry] = claimed.history.entries
    last = entries[-1].seq if entries else 0
    return max([last, *(index.seqs[-1] for index in claimed.history.maps.values() if len(index.seqs))])
