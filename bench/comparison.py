"""The same work done by peers: runs side by side, steps with 100-byte results, everything durable, one process.

Each peer is measured in turn with Holdfast. A slow one takes fewer steps, since what is compared is steps per second;
the note says how many.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.environment import HERE, Environment, Unavailable
from bench.figure import Line, Measured, Skipped, Version
from bench.plan import Measure, Plan
from bench.subject import steps_per_second

ENVIRONMENT = Environment(folder=HERE.parent / ".venv-peers")
RUNS, STEPS = 200, 100
WITHIN = 600.0  # seconds; a peer that takes longer is ended


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Who to compare with.

    Attributes:
        name: whose name the table shows.
        script: in ``bench/peers``.
        steps: how many steps each of the runs takes; the fewer, the slower it is.
        times: how many times as fast Holdfast should be; None: no target.
        server: whether it needs Restate's server.
    """

    name: str
    script: str
    steps: int
    times: float | None = None
    server: bool = False


PEERS = (
    Peer(name='LangGraph, durability="sync"', script="with_langgraph.py", steps=20, times=50),
    Peer(name="DBOS", script="with_dbos.py", steps=20),
    Peer(name="Restate", script="with_restate.py", steps=STEPS, times=15, server=True),
)


def measure(plan: Plan) -> Iterator[Line]:
    """The figures; a peer that cannot be had is skipped."""
    for peer in PEERS:
        try:
            yield from _compare(plan, peer)
        except Unavailable as error:
            yield Skipped(name=peer.name, why=str(error))


def _compare(plan: Plan, peer: Peer) -> Iterator[Line]:
    arguments = prepare(plan, peer)
    runs, steps = plan.count(RUNS, 5), plan.count(peer.steps, 5)
    told: dict[str, Any] = {}

    def theirs(folder: Path) -> float:
        told.update(ask(peer, [str(folder), str(runs), str(steps), *arguments]))
        return float(told["steps_per_second"])

    value, limit = plan.interleaved(_holdfast(plan), theirs)
    note = f"{peer.name}: {runs} × {steps} steps, {told['note']}"
    measured = Measured(name=f"{RUNS} runs × {STEPS} steps of 100 bytes", value=value, unit="steps/s", note=note)
    yield measured.beside(peer.name, limit) if peer.times is None else measured.at_least(peer.times, peer.name, limit)
    for name, version in told["versions"].items():
        yield Version(name=f"{peer.name.split(',')[0]}: {name}", version=version)


def prepare(plan: Plan, peer: Peer) -> list[str]:
    """What its script is told besides folder, runs and steps.

    Raises:
        Unavailable: it cannot be had, or was left out.
    """
    if not plan.peers:
        raise Unavailable("left out, as asked")
    ENVIRONMENT.prepare()
    return [str(ENVIRONMENT.prepare_restate_server())] if peer.server else []


def _holdfast(plan: Plan) -> Measure:
    runs, steps = plan.count(RUNS, 5), plan.count(STEPS, 5)
    return lambda folder: asyncio.run(steps_per_second(folder, runs=runs, steps=steps))


def ask(peer: Peer, arguments: list[str]) -> dict[str, Any]:
    """Run a peer's script; what it prints last is its answer."""
    command = [str(ENVIRONMENT.python), str(Path(HERE, "peers", peer.script)), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, err = process.communicate(timeout=WITHIN)
        except subprocess.TimeoutExpired:
            process.terminate()  # it ends its servers
            raise Unavailable(f"it took more than {WITHIN:g} s") from None
    if process.returncode:
        print(err, file=sys.stderr)
        raise Unavailable(f"its script failed with exit code {process.returncode}; the terminal shows why")
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer
