"""What is wrong with a store and what is in it, or soon will be, and what to do about it: ``holdfast doctor``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.clock import SECOND, Clock
from holdfast.durable.workspace.folder import root_of
from holdfast.errors import BadOption
from holdfast.records.health import Contents, Finding, Ready, Severity
from holdfast.records.run import Population, Status
from holdfast.records.worker import Hosted, Worker
from holdfast.settings import Settings
from holdfast.store.base import Health

_LATE = 60 * SECOND  # what could be claimed for so long waits for a worker that does not come
_LONG = 7 * 86_400 * SECOND  # what nobody has told anything for so long may have been forgotten
_APART = 1 * SECOND  # two clocks that differ by less are one
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_SHOWN = 3


def examine(
    health: Health, *, clock: Clock, hosted: Sequence[Hosted] = (), place: str = "MODULE:APP", deep: bool = False
) -> list[Finding]:
    """Look at a store, this process' settings and this machine. Blocking, for some seconds at the most.

    Args:
        health: looks at the store.
        clock: of this machine.
        hosted: what the app at hand defines, if one is.
        place: where that app is, for commands.
        deep: check all that is stored, however long that takes.

    Returns:
        Good and bad findings, in the order in which they were looked for.

    Example:
        >>> [one for one in examine(health_of("sqlite:///claims.db"), clock=SystemClock()) if one.do]
        []
    """
    before = clock.now()
    look = health.look(deep=deep)
    findings = list(look.findings)
    if look.contents is not None:
        findings += _Examination(look.contents, health.url, frozenset(hosted), place).findings(before, clock.now())
    return [*findings, *_environment()]


def worst(findings: Iterable[Finding]) -> Severity:
    """The worst severity among findings."""
    order = list(Severity)
    return max((finding.severity for finding in findings), key=order.index, default=Severity.OK)


@dataclass(frozen=True, slots=True)
class _Examination:
    """What the contents of a store tell."""

    contents: Contents
    url: str
    hosted: frozenset[Hosted]
    place: str

    def findings(self, before: int, after: int) -> Iterator[Finding]:
        yield from self._clocks(before, after)
        yield from self._workers()
        yield from self._ready()
        yield from self._unhosted()
        yield from self._for_a_person()
        yield from self._waiting()

    @property
    def _alive(self) -> list[Worker]:
        return [worker for worker in self.contents.workers if worker.expires_at > self.contents.now]

    @property
    def _live_hosts(self) -> set[Hosted]:
        return {hosted for worker in self._alive for hosted in worker.hosts}

    def _command(self, text: str) -> str:
        return f"holdfast {text} --store {shlex.quote(self.url)}"

    def _start_worker(self) -> str:
        return self._command(f"worker {self.place}")

    # -- clocks

    def _clocks(self, before: int, after: int) -> Iterator[Finding]:
        now = self.contents.now
        apart = max(before - now, now - after, 0)
        back = self.contents.newest - now
        if apart > _APART:
            what = f"this machine's clock and the database's are {_span(apart)} apart: timers fire early or late"
            yield _finding(Severity.WARNING, "clock", what, "set both by NTP: chronyc tracking, or timedatectl")
        if back > _APART:
            what = f"the newest thing in the store was written {_span(back)} from now: the clock has gone back"
            do = "set it by NTP (timedatectl); until then timers, and the ends of leases, come later by as much"
            yield _finding(Severity.PROBLEM if back > _LATE else Severity.WARNING, "clock", what, do)
        if apart <= _APART and back <= _APART:
            yield _finding(Severity.OK, "clock", "agrees with the database's, and with what was written last")

    # -- workers

    def _workers(self) -> Iterator[Finding]:
        alive = self._alive
        runs = sum(one.count for one in self.contents.runs if not one.status.ended)
        if alive:
            yield _finding(Severity.OK, "workers", f"{len(alive)} alive")
        elif runs:
            what = f"none is alive; not ended: {_runs(runs)}"
            yield _finding(Severity.WARNING, "workers", what, self._start_worker())
        else:
            yield _finding(Severity.NOTE, "workers", "none is alive; there is nothing to do either")
        yield from self._dead({worker.id for worker in alive})

    def _dead(self, alive: set[str]) -> Iterator[Finding]:
        """Owners that are no more: whoever claims next takes their runs, so a long time means that nobody does."""
        rows = {worker.id: worker for worker in self.contents.workers}
        for owned in self.contents.owned:
            if owned.worker in alive:
                continue
            row = rows.get(owned.worker)
            since = self.contents.now - row.expires_at if row is not None else 0
            who = f"worker {owned.worker}" + (f" (process {row.pid} on {row.host})" if row is not None else "")
            ended = f"its lease ended {_span(since)} ago" if row is not None else "it has no lease"
            what = f"{who} is gone, {ended}, and nobody has taken over its {_runs(owned.runs)}"
            severity = Severity.PROBLEM if since > _LATE or row is None else Severity.WARNING
            do = "its runs are taken at the next look of a live worker" if alive else self._start_worker()
            yield _finding(severity, "leases", what, do)
        idle = len(rows.keys() - alive - {owned.worker for owned in self.contents.owned})
        if idle:
            what = f"{idle} ended without being released: a worker was killed, or its machine stopped; it had no runs"
            yield _finding(Severity.NOTE, "leases", what)

    # -- runs

    def _ready(self) -> Iterator[Finding]:
        late = [one for one in self.contents.ready if self.contents.now - one.since > _LATE]
        for one in late:
            what = f"{_runs(one.runs)} of {_named(one.hosted)} could be claimed, the first for {_span(self._age(one))}"
            if one.hosted in self._live_hosts:
                do = "the workers that host it are full or stuck: start another, or raise HOLDFAST_CONCURRENCY"
                yield _finding(Severity.WARNING, "queue", what, do)
            else:
                yield _finding(
                    Severity.PROBLEM, "queue", f"{what}, and no live worker hosts it", self._host(one.hosted)
                )
        if not late:
            ready = sum(one.runs for one in self.contents.ready)
            yield _finding(
                Severity.OK, "queue", f"{_runs(ready)} ready, none for long" if ready else "nobody waits for a worker"
            )

    def _age(self, ready: Ready) -> int:
        return self.contents.now - ready.since

    def _host(self, hosted: Hosted) -> str:
        if not self.hosted or hosted in self.hosted:
            return self._start_worker()
        versions = ", ".join(sorted(one.version for one in self.hosted if one.agent == hosted.agent))
        has = f"has version {versions} of it" if versions else "does not define it"
        return f"{self.place} {has}: deploy that version again, or move its runs to another"

    def _unhosted(self) -> Iterator[Finding]:
        """Versions that runs are bound to and nobody has the code of: nothing may be wrong until one of them wakes."""
        if not self._alive:  # said already
            return
        live: dict[Hosted, int] = {}
        for one in self.contents.runs:
            if not one.status.ended:
                hosted = Hosted(agent=one.agent, version=one.version)
                live[hosted] = live.get(hosted, 0) + one.count
        missing = sorted(live.keys() - self._live_hosts)
        for hosted in missing:
            what = f"no live worker hosts {_named(hosted)}; not ended: {_runs(live[hosted])}"
            yield _finding(Severity.WARNING, "versions", what, self._host(hosted))
        if not missing:
            yield _finding(Severity.OK, "versions", "each that has runs to do is hosted")

    def _for_a_person(self) -> Iterator[Finding]:
        blocked = _count(self.contents.runs, Status.BLOCKED)
        paused = _count(self.contents.runs, Status.PAUSED)
        if blocked:
            what = f"{_runs(blocked)} blocked: {_some(self.contents.blocked, blocked)}"
            do = f"see why: {self._command(f'runs show {self.contents.blocked[0]}')}; mend it, then runs resume"
            yield _finding(Severity.WARNING, "blocked", what, do)
        if paused:
            what = f"{_runs(paused)} paused: {_some(self.contents.paused, paused)}"
            do = f"let them go on: {self._command(f'runs resume {self.contents.paused[0]}')}"
            yield _finding(Severity.NOTE, "paused", what, do)
        if not blocked and not paused:
            yield _finding(Severity.OK, "blocked", "no run is blocked or paused")

    def _waiting(self) -> Iterator[Finding]:
        count, now = _count(self.contents.runs, Status.WAITING), self.contents.now
        forgotten = [one for one in self.contents.waiting if now - one.since > _LONG]
        if forgotten:
            first = forgotten[0]
            what = f"run {first.id} ({first.agent}) has been told nothing for {_span(now - first.since)}"
            do = f"see what it waits for: {self._command(f'runs show {first.id}')}"
            yield _finding(Severity.NOTE, "waiting", what, do)
        else:
            yield _finding(Severity.OK, "waiting", f"{_runs(count)} waiting")


# -- this process


def _environment() -> Iterator[Finding]:
    try:
        settings = Settings.from_environment()
    except BadOption as error:
        yield _finding(Severity.PROBLEM, "settings", f"{error}", "set the variable right, or unset it")
        return
    odd = [f"HOLDFAST_{name.upper()}=0" for name in ("concurrency", "threads", "lease") if not getattr(settings, name)]
    if odd:
        what = f"{', '.join(odd)}: a worker could not do anything"
        yield _finding(Severity.PROBLEM, "settings", what, f"unset {odd[0].partition('=')[0]}")
    else:
        yield _finding(Severity.OK, "settings", "those in the environment make sense")
    yield _workspaces(root_of(settings.workspaces))


def _workspaces(root: Path) -> Finding:
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    if not existing.is_dir():
        what = f"workspaces cannot be in {root}: {existing} is no folder"
    elif not os.access(existing, os.W_OK | os.X_OK):
        what = f"workspaces cannot be in {root}: this user may not write to {existing}"
    else:
        return _finding(Severity.OK, "workspaces", f"can be in {root}")
    return _finding(Severity.PROBLEM, "workspaces", what, "export HOLDFAST_WORKSPACES=FOLDER, of this user's own")


# -- words


def _finding(severity: Severity, about: str, what: str, do: str = "") -> Finding:
    return Finding(severity=severity, about=about, what=what, do=do)


def _runs(count: int) -> str:
    return f"{count:,} run" if count == 1 else f"{count:,} runs"


def _named(hosted: Hosted) -> str:
    return f"agent {hosted.agent} version {hosted.version}"


def _some(ids: Sequence[str], count: int) -> str:
    shown = ", ".join(ids[:_SHOWN])
    return shown if count <= _SHOWN else f"{shown} and {count - _SHOWN:,} more"


def _count(runs: Iterable[Population], status: Status) -> int:
    return sum(one.count for one in runs if one.status is status)


def _span(micros: int) -> str:
    """A duration for people: its largest unit."""
    seconds = abs(micros) // SECOND
    return next((f"{seconds // size} {unit}" for size, unit in _UNITS if seconds >= size), "less than 1 s")
