"""A worker stopped beyond its lease and then continued is a stale owner: nothing that it does counts any more."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast import App, Context, Settings
from holdfast.durable.points import POINTS, on_reach
from holdfast.errors import StoreBusy
from holdfast.records.run import Activation
from tests.crash.ledger import noted
from tests.crash.place import Place, stop_outside_of_transactions
from tests.crash.processes import Nursery, Process, asked_to_stop
from tests.crash.records import Recorded, Snapshot, ask, run_of, runs
from tests.waiting import until

STOPPED = Settings(lease=1.5, poll=0.05, linger=0.02)  # how long its successor has to wait
SUCCESSOR = Settings(poll=0.05, linger=0.02)
app = App("stopped")
_gate = Path()  # where steps look for leave to end; set in each process


def hold(n: int) -> int:  # in a thread: it cannot be cancelled, its outcome comes late for certain
    with noted():
        until(_gate.exists, "the gate is open")
        return n + 1


async def follow(n: int) -> int:
    with noted():
        return n * 2


@app.agent
async def held(ctx: Context, n: int) -> int:
    total = await ctx.step(follow, await ctx.step(hold, n))
    await asyncio.sleep(0.4)  # long enough to leave memory and come back, on a busy machine too
    return await ctx.step(follow, total)


def test_what_a_stopped_worker_did_in_a_step_is_refused(place: Place, nursery: Nursery) -> None:
    _start_a_run(place)
    first = nursery.fork(lambda: _work(place), "the first worker")
    until(lambda: place.ledger.lines(), "it is inside a step")
    stop_outside_of_transactions(first, place)
    assert not _begun_by_a_continued_worker(first, place, nursery)


# Where the next thing that it would do is to run its body, to record, to deliver, or to begin an effect.
@pytest.mark.parametrize("point", [point for point in POINTS if point != "effect-begins"])
def test_what_a_worker_stopped_between_two_acts_does_next_is_refused(
    point: str, place: Place, nursery: Nursery
) -> None:
    _open_the_gate(place)
    _start_a_run(place)
    first = nursery.fork(lambda: _work(place, stop_at=point), "the first worker")
    _stop_at_its_point(first, place)
    assert not _begun_by_a_continued_worker(first, place, nursery)


def test_an_effect_that_a_stopped_worker_was_about_to_begin_counts_for_nothing(place: Place, nursery: Nursery) -> None:
    # It had looked at its lease already. No check comes late enough; but the outcome is refused, and all that follows.
    _open_the_gate(place)
    _start_a_run(place)
    first = nursery.fork(lambda: _work(place, stop_at="effect-begins"), "the first worker")
    _stop_at_its_point(first, place)
    begun = _begun_by_a_continued_worker(first, place, nursery)
    assert [step.partition("/")[2] for step in begun] in ([], ["hold#1"])  # unless it learns of its loss just in time


def _begun_by_a_continued_worker(first: Process, place: Place, nursery: Nursery) -> list[str]:
    """Let another worker finish the run, then continue the first: it writes nothing. The effects that it begins."""
    (run,) = runs(place.store)
    second = nursery.fork(lambda: _work(place, SUCCESSOR), "the second worker")
    until(lambda: _is_worker(place, second) and not _is_worker(place, first), "the first has lost its lease")
    _open_the_gate(place)
    until(lambda: run_of(place.store, run.id).status.ended, "the second has finished the run")
    second.stop_nicely()
    before, since = _everything(place), place.ledger.length

    first.send(signal.SIGCONT)

    until(lambda: _is_worker(place, first), "the first has noticed, and joins again as a new worker")
    first.stop_nicely()
    assert _everything(place) == before, "it wrote to a run that it had lost"
    return list(place.ledger.begun(since))


def _everything(place: Place) -> dict[str, tuple[Recorded, list[Activation]]]:
    recorded = Snapshot.take(place.store).recorded
    return {id: (one, ask(place.store, lambda store, id=id: store.activations(id))) for id, one in recorded.items()}


def _is_worker(place: Place, process: Process) -> bool:
    return any(worker.pid == process.pid for worker in ask(place.store, lambda store: store.workers()))


def _start_a_run(place: Place) -> None:
    async def start() -> None:
        async with app.connect(place.store) as client:
            await client.start(held(1))

    asyncio.run(start())


def _open_the_gate(place: Place) -> None:
    (place.folder / "gate").touch()


def _stop_at_its_point(process: Process, place: Place) -> None:
    until((place.folder / "at its point").exists, "it comes to its point")
    stop_outside_of_transactions(process, place)
    (place.folder / "goes on").touch()


async def _work(place: Place, settings: Settings = STOPPED, *, stop_at: str = "") -> None:
    global _gate
    _gate = place.folder / "gate"
    place.ledger.use_here()

    def reached(point: str, run_id: str) -> None:
        if point == stop_at:
            on_reach(None)
            (place.folder / "at its point").touch()
            until((place.folder / "goes on").exists, "it was stopped, and continued")

    on_reach(reached)
    while True:
        with suppress(StoreBusy):  # the shorter the lease, the less time a server has to answer
            async with app.open(place.store, settings=settings):
                await asked_to_stop()
                return
