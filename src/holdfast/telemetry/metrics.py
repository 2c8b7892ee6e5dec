"""Metrics, in Prometheus' default registry: one set for all workers of a process, however many stores they have.

No label ever holds a run's id, a key or a message: the number of time series depends on the code (agents, versions,
functions), never on how much it runs. Names beyond what a program has functions for are counted as ``(other)``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.errors import BadOption
from holdfast.records.run import Population

_SERIES: Final = 2_000  # of one metric, about: a function made anew for each run must not make a series each time
_OTHER: Final = "(other)"

_STEP_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_WAIT_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
_COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5)
_BATCH = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

_schedule_to_start = Histogram(
    "holdfast_schedule_to_start_seconds",
    "How long runs were ready (started, woken, due) before a worker claimed them.",
    ["agent"],
    buckets=_WAIT_SECONDS,
)
_replayed = Counter("holdfast_replayed_entries", "Journal entries that activations began with.", ["agent"])
_activations = Gauge("holdfast_activations", "Runs in memory.", ["agent"])
_batch_size = Histogram("holdfast_commit_batch_size", "Deltas per commit.", buckets=_BATCH)
_commit_seconds = Histogram("holdfast_commit_seconds", "What commits took.", buckets=_COMMIT_SECONDS)
_leases_lost = Counter("holdfast_leases_lost", "Times that a worker found its lease to have ended.")


@dataclass(frozen=True, kw_only=True, slots=True)
class _AgentMetrics:
    waited: Callable[[float], None]
    replayed: Callable[[float], None]
    active: Gauge


# `labels()` takes a lock and builds a tuple of texts: what it returns is kept.
_of_agent: dict[str, _AgentMetrics] = {}


def _agent(name: str) -> _AgentMetrics:
    if (found := _of_agent.get(name)) is not None:
        return found
    label = name if len(_of_agent) < _SERIES else _OTHER
    made = _AgentMetrics(
        waited=_schedule_to_start.labels(label).observe,
        replayed=_replayed.labels(label).inc,
        active=_activations.labels(label),
    )
    if label is name:
        _of_agent[name] = made
    return made


def activated(agent: str, *, waited: float, replayed: int) -> None:
    """A run has come into memory.

    Args:
        agent: the run's.
        waited: seconds for which it was ready.
        replayed: how many entries it begins with.
    """
    metrics = _agent(agent)
    metrics.waited(waited)
    metrics.active.inc()
    if replayed:
        metrics.replayed(replayed)


def left(agent: str) -> None:
    """A run of this agent has left memory."""
    _agent(agent).active.dec()


def attempted(agent: str, step: str, op: str, outcome: str, seconds: float) -> None:
    """An attempt of a step has ended.

    Args:
        agent: whose step it is.
        step: the name of its function.
        op: ``step`` or ``tool``.
        outcome: ``succeeded failed timed_out unknown cancelled``.
        seconds: what it took.
    """
    _steps.count(agent, step, op, outcome, seconds)


def committed(deltas: int, seconds: float) -> None:
    """A batch is durable."""
    _batch_size.observe(deltas)
    _commit_seconds.observe(seconds)


def lease_lost() -> None:
    """A worker has found that its lease has ended."""
    _leases_lost.inc()


class _Tally:
    """The attempts of one step that ended in one way."""

    __slots__ = ("count", "in_bucket", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.in_bucket = [0] * (len(_STEP_SECONDS) + 1)


class _Steps(Collector):
    """Attempts of steps, in numbers of its own: a counter and a histogram of the library cost 3 µs for every step."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str, str, str], _Tally] = {}
        self._lock = Lock()  # workers may be on loops of several threads

    def count(self, agent: str, step: str, op: str, outcome: str, seconds: float) -> None:
        """Count an attempt."""
        with self._lock:
            tally = self._tallies.get((agent, step, op, outcome)) or self._new(agent, step, op, outcome)
            tally.count += 1
            tally.seconds += seconds
            tally.in_bucket[bisect_left(_STEP_SECONDS, seconds)] += 1

    def _new(self, agent: str, step: str, op: str, outcome: str) -> _Tally:
        label = step if len(self._tallies) < _SERIES else _OTHER
        return self._tallies.setdefault((agent, label, op, outcome), _Tally())

    def describe(self) -> Iterable[Metric]:
        return self._families()

    def collect(self) -> Iterable[Metric]:
        attempts, took = self._families()
        sums: dict[tuple[str, ...], _Tally] = {}
        with self._lock:
            for (*step, outcome), tally in self._tallies.items():
                attempts.add_metric([*step, outcome], tally.count)
                whole = sums.setdefault(tuple(step), _Tally())
                whole.seconds += tally.seconds
                whole.in_bucket = [a + b for a, b in zip(whole.in_bucket, tally.in_bucket, strict=True)]
        bounds = [*(str(float(bound)) for bound in _STEP_SECONDS), "+Inf"]
        for labels, whole in sums.items():
            took.add_metric(labels, list(zip(bounds, accumulate(whole.in_bucket), strict=True)), whole.seconds)
        return attempts, took

    @staticmethod
    def _families() -> tuple[CounterMetricFamily, HistogramMetricFamily]:
        attempts = CounterMetricFamily(
            "holdfast_step_attempts", "Attempts of steps and tools, by how they ended.",
            labels=["agent", "step", "op", "outcome"],
        )  # fmt: skip
        took = HistogramMetricFamily(
            "holdfast_step_seconds", "What attempts of steps and tools took.", labels=["agent", "step", "op"]
        )
        return attempts, took


_steps = _Steps()
REGISTRY.register(_steps)


class _Runs(Collector):
    """Runs by state, as the stores were last counted: a scrape reads no store."""

    def __init__(self) -> None:
        self.counted: dict[str, tuple[Population, ...]] = {}  # by store, so that two stores of a process add up

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily("holdfast_runs", "Runs in the store.", labels=["agent", "version", "status"])]

    def collect(self) -> Iterable[Metric]:
        totals: dict[tuple[str, str, str], int] = {}
        for counted in list(self.counted.values()):
            for one in counted:
                labels = (one.agent, one.version, str(one.status))
                totals[labels] = totals.get(labels, 0) + one.count
        return [self._family(totals)]

    def _family(self, totals: Mapping[tuple[str, str, str], int]) -> Metric:
        (family,) = self.describe()
        assert isinstance(family, GaugeMetricFamily), "described as a gauge"
        for labels, count in totals.items():
            family.add_metric(labels, count)
        return family


_runs = _Runs()
REGISTRY.register(_runs)


def counted(store: str, runs: Iterable[Population] | None) -> None:
    """The runs of a store were counted; None: nobody counts them any more."""
    if runs is None:
        _runs.counted.pop(store, None)
    else:
        _runs.counted[store] = tuple(runs)


class Exposition:
    """Serves the metrics of this process over HTTP, from threads of its own.

    Args:
        host: the address to listen at.
        port: 0 for any that is free.

    Raises:
        BadOption: nobody can listen there.

    Example:
        >>> exposition = Exposition("127.0.0.1", 9464)
        >>> exposition.url
        'http://127.0.0.1:9464/metrics'
        >>> exposition.close()
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            self._server, self._thread = start_http_server(port, addr=host)
        except (OSError, OverflowError) as error:
            raise BadOption(f"metrics cannot be served at {host}:{port} ({error}): choose another port") from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
