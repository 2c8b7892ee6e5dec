"""Whether the code still fits the journal: what blocks a run, and what is let pass as drift (DESIGN §3.2)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from holdfast import codec
from holdfast.durable import asks
from holdfast.durable.asks import Blocked
from holdfast.durable.recorded import Recorded, name_in
from holdfast.durable.scope import Scope
from holdfast.records.journal import Entry, Op

logger = logging.getLogger("holdfast.run")


class Fit:
    """Compares what a body asks for with what its journal holds.

    Args:
        run_id: of the run.
        recorded: what the journal holds.
        stopped: told when the run cannot go on.
        copied: up to which number a fork's entries are its origin's. There other arguments are drift, never a reason to
            block: the ids of the run and of its promises are others, and may be among the arguments.

    Attributes:
        blocked: why the run cannot go on, once it cannot.
        drifted: outcomes whose recorded arguments are not those of the code, and which stand all the same.
    """

    def __init__(self, run_id: str, recorded: Recorded, stopped: Callable[[], object], *, copied: int = 0) -> None:
        self._stopped = stopped
        self.blocked: Blocked | None = None
        self.drifted: list[Entry] = []
        self._run_id = run_id
        self._recorded = recorded
        self._copied = copied

    def block(self, entry: Entry, asked: str) -> None:
        """Stop: the code asks for something else than what an entry holds."""
        self.stop(Blocked(key=entry.key, recorded=told(entry), asked=asked))

    def stop(self, blocked: Blocked) -> None:
        """Stop; the first reason stands."""
        self.blocked = self.blocked or blocked
        self._stopped()

    def check_intent(self, scope: Scope, ask: asks.Strict) -> None:
        """A call is made whose beginning is recorded: its arguments must be the recorded ones."""
        intent = self._recorded.intents.get(ask.key)
        attempts = self._recorded.attempts.get(ask.key)
        if intent is None and attempts and attempts[-1].guarded:
            intent = attempts[-1]
        if intent is None or ask.fingerprint in (b"", intent.fingerprint) or name_in(ask.key) in scope.waived:
            return
        if intent.seq <= self._copied:
            return  # said of its outcome: a fork has no intent without one
        self.block(intent, ask.shown)

    def accepts(self, scope: Scope, fingerprint: bytes, entry: Entry, *, guarded: bool, op: Op | None) -> bool:
        """Whether a recorded outcome may be given to the call of its key."""
        same_kind = op is None or op is entry.op
        if same_kind and (not fingerprint or not entry.fingerprint or fingerprint == entry.fingerprint):
            return True
        if name_in(entry.key) in scope.waived:
            return True
        other = self._recorded.elsewhere(entry.key, fingerprint)
        if other is not None:
            self.block(entry, f"the arguments that are recorded under {other.key}: calls were reordered")
        elif (entry.guarded or guarded) and (entry.seq > self._copied or not same_kind):
            self.block(entry, "other arguments" if same_kind or op is None else f"a {op.name.lower()} of that name")
        else:
            self._drift(entry)
        return self.blocked is None

    def check_live(self, scope: Scope, ask: asks.Strict) -> None:
        """A guarded call is about to go live: none of its scope may be recorded that the code has not made."""
        unmade = self._recorded.unmade(scope.path, scope.waived)
        if unmade is not None:
            self.block(unmade, f"{ask.shown} at {ask.key}")

    def check_end(self, scope: Scope) -> None:
        """A scope has ended by itself: the code has made every guarded call that is recorded there."""
        unmade = self._recorded.unmade(scope.path, scope.waived)
        if unmade is not None:
            self.block(unmade, "its end, without that call")

    def _drift(self, entry: Entry) -> None:
        self.drifted.append(entry)
        logger.warning(
            "run %s: %s was recorded with other arguments (%s); the recorded outcome stands",
            self._run_id,
            entry.key,
            _preview(entry) or "unknown",
            extra={"holdfast": {"run": self._run_id, "step": entry.key, "drift": True}},
        )


def told(entry: Entry) -> str:
    """An entry in words."""
    recorded = f"{entry.kind.name.lower()} {entry.seq} of {entry.op.name.lower()} {entry.key}"
    preview = _preview(entry)[:200]
    return f"{recorded} ({preview})" if preview else recorded


def _preview(entry: Entry) -> str:
    return codec.unpack(entry.note).decode("utf-8", "replace") if entry.note else ""
