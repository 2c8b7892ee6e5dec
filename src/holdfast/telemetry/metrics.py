"""Metrics, in Prometheus' default registry: one set for all workers of a process, however many stores they have.

No label ever holds a run's id, a key or a message: the number of time series depends on the code (agents, versions,
functions), never on how much it runs. Names beyond what a program has functions for are counted as ``(other)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.errors import BadOption
from holdfast.records.run import Population

_SERIES: Final = 2_000  # of one metric, about: a function made anew for each run must not make a series each time
_OTHER: Final = "(other)"

_STEP_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_WAIT_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
_COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5)
_BATCH = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

_attempts = Counter(
    "holdfast_step_attempts", "Attempts of steps and tools, by how they ended.", ["agent", "step", "op", "outcome"]
)
_step_seconds = Histogram(
    "holdfast_step_seconds", "What attempts of steps and tools took.", ["agent", "step", "op"], buckets=_STEP_SECONDS
)
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
_of_step: dict[tuple[str, str, str, str], tuple[Callable[[], None], Callable[[float], None]]] = {}


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
    found = _of_step.get((agent, step, op, outcome))
    if found is None:
        found = _step_metrics(agent, step, op, outcome)
    count, observe = found
    count()
    observe(seconds)


def _step_metrics(agent: str, step: str, op: str, outcome: str) -> tuple[Callable[[], None], Callable[[float], None]]:
    label = step if len(_of_step) < _SERIES else _OTHER
    made = (_attempts.labels(agent, label, op, outcome).inc, _step_seconds.labels(agent, label, op).observe)
    if label is step:
        _of_step[agent, step, op, outcome] = made
    return made


def committed(deltas: int, seconds: float) -> None:
    """A batch is durable."""
    _batch_size.observe(deltas)
    _commit_seconds.observe(seconds)


def lease_lost() -> None:
    """A worker has found that its lease has ended."""
    _leases_lost.inc()


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
