"""The desk: settlements that wait for a person. What waiting costs, and how fast one goes on once it is decided.

This process is their worker, so that it can look into its own memory: what they hold while they wait is counted, not
believed. A person decides with the command that they would use anywhere, a process of its own.
"""

import asyncio
import gc
import inspect
import json
import os
import shlex
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any, Final

from examples.claims.agent import app
from examples.claims.ledger import LEDGER, PAYMENT, read_ledger
from holdfast import RunFilter, Status

PERSON: Final = "lea"
"""Who decides. Nobody is registered in the demo's store, so any name will do."""
LESS: Final = Decimal("0.9")
"""The share of the amount that she approves."""
POLL: Final = 0.1
LOOKS: Final = 50
WITHIN: Final = 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What Holdfast holds in this process's memory: its objects, tasks and coroutines."""

    tasks: int
    bytes: int

    def since(self, before: "Held", runs: int) -> tuple[float, float]:
        """Tasks and bytes more than before, by run; none if there are fewer: the worker had some of its own."""
        return max(0, self.tasks - before.tasks) / runs, max(0, self.bytes - before.bytes) / runs


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """What waiting cost, and what came of the one that was decided."""

    waiting: int
    tasks: float
    bytes: float
    tasks_at_work: float
    bytes_at_work: float
    stored: int
    commands: list[str]
    said: list[str]
    asked: Decimal
    paid: Decimal
    milliseconds: float
    wrong: list[str]


async def at_the_desk(store: str, ledger: Path, count: int) -> Decided | None:
    """Let all settlements come to where they wait, decide one of them, and see what it does."""
    if not count:
        return None
    os.environ[LEDGER] = str(ledger)
    async with app.open(store, agents=["settle"]) as runtime, asyncio.timeout(WITHIN):
        before = held()
        runs_at_work, at_work = await _sample_at_work(runtime)
        await _until_all_wait(runtime, count)
        waits = await _held_at_rest(before)
        (case,) = (await asyncio.to_thread(_inbox, store, "list", "--limit", "1", "--json"))["approvals"]
        asked = Decimal(case["action"]["arguments"]["amount"])
        edit = f"amount={(asked * LESS).quantize(Decimal('0.01'))}"
        stored = await _stored(runtime, case)
        done = await asyncio.to_thread(_inbox, store, "approve", case["id"], "--edit", edit, "--json")
        run = await runtime.get(case["run_id"])
        settled = await run.result()
        took = await _milliseconds(runtime, done)
    tasks, size = waits.since(before, count)
    tasks_at_work, bytes_at_work = at_work.since(before, runs_at_work)
    return Decided(
        waiting=count, tasks=tasks, bytes=size, tasks_at_work=tasks_at_work, bytes_at_work=bytes_at_work,
        stored=stored,
        commands=["holdfast inbox list --limit 1", f"holdfast inbox approve {case['id']} --edit {edit} --by {PERSON}"],
        said=[f"risk {case['risk']}: {case['because']}", f"{done['state']} by {PERSON}"],
        asked=asked, paid=settled.paid, milliseconds=took,
        wrong=_wrong(tasks, settled, (asked * LESS).quantize(Decimal("0.01")), ledger),
    )  # fmt: skip


def held() -> Held:
    """Count what Holdfast holds in memory now: each object, and the containers and frames that are its own."""
    gc.collect()
    ours = [one for one in gc.get_objects() if _is_ours(one)]
    parts = {id(part): part for one in ours for part in (one, *gc.get_referents(one)) if _is_part(one, part)}
    return Held(tasks=sum(isinstance(one, asyncio.Task) for one in ours), bytes=sum(map(sys.getsizeof, parts.values())))


async def _held_at_rest(before: Held) -> Held:
    """What is held while the worker does nothing: what a run holds is there at each look, the worker's own is not."""
    least = held()
    for _ in range(LOOKS):
        if least.tasks <= before.tasks:
            break
        await asyncio.sleep(POLL)
        least = min(least, held(), key=lambda one: one.tasks)
    return least


def _is_ours(one: object) -> bool:
    module = type(one).__module__
    ours = isinstance(module, str) and module.startswith("holdfast.durable")
    return ours or inspect.iscoroutine(one) or isinstance(one, asyncio.Future)


def _is_part(one: object, part: object) -> bool:
    return part is one or isinstance(part, bytes | dict | list | set | deque | FrameType)


async def _sample_at_work(runtime: Any) -> tuple[int, Held]:
    """What some of them hold while they are in memory, and how many there were."""
    while not (active := len(runtime.worker.active)):  # noqa: ASYNC110  # the worker says nothing when it claims
        await asyncio.sleep(0)
    return active, held()


async def _until_all_wait(runtime: Any, count: int) -> None:
    runs = runtime.select(RunFilter(agent="settle"))
    while runtime.worker.active or (await runs.count()).get(Status.WAITING, 0) < count:  # noqa: ASYNC110  # none tells
        await asyncio.sleep(POLL)


async def _stored(runtime: Any, case: Any) -> int:
    """The bytes that the store keeps of it: its input, its journal, and what is asked."""
    run = await (await runtime.get(case["run_id"])).info()
    entries = [entry async for entry in runtime.journal(run.id)]
    approval = await runtime.store.approval(case["id"])
    return len(run.input) + sum(len(entry.key) + len(entry.value or b"") for entry in entries) + len(approval.body)


async def _milliseconds(runtime: Any, done: Any) -> float:
    """From the decision to the record of the payment, both as the store has them."""
    paid = [entry.at async for entry in runtime.journal(done["run_id"]) if entry.key.startswith(f"{PAYMENT}#")]
    decision = [one for one in await runtime.store.audited(subject=done["id"]) if one.action == "approval.approved"]
    return (paid[-1] - decision[0].at) / 1_000


def _inbox(store: str, verb: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", "holdfast", "inbox", verb, *arguments, "--by", PERSON, "--store", store]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)} ended with exit code {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def _wrong(tasks: float, settled: Any, approved: Decimal, ledger: Path) -> list[str]:
    payments = [one.claim_id for one in read_ledger(ledger) if one.step == PAYMENT]
    wrong = []
    if tasks:
        wrong.append(f"settlements that wait hold {tasks:g} tasks each")
    if settled.paid != approved:
        wrong.append(f"{approved} was approved, and {settled.paid} was paid")
    if payments != [settled.claim_id]:
        wrong.append(f"one payment was approved, and these were made: {payments}")
    return wrong
