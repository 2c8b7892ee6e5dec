"""``make demo``: claims assessed by a worker that is killed in the middle, and by another that takes over; and one of
the settlements that wait for a person, decided from the command line.

``python -m examples.claims.demo [--data FILE.csv | --claims N]``

Exits with 0 if no recorded step was repeated, every step of every claim ran, the report equals the one that plain
code comes to without any interruption, and exactly what was approved was paid, once; else with 1. What it wrote is kept
then, and its place is printed.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from examples.claims.agent import CONCURRENCY, PACE, app, process
from examples.claims.analysis import assess
from examples.claims.bar import Bar
from examples.claims.desk import Decided, at_the_desk
from examples.claims.generate import write_claims
from examples.claims.ledger import Audit, Unit, audit, finished, read_ledger, recorded_units
from examples.claims.model import Assessment, Claim, Outcome, Related
from examples.claims.reader import ClaimsFileError
from examples.claims.report import Report, Tally, without_advice
from examples.claims.reviewer import MODEL, Case, advise, figures_of
from examples.claims.show import show
from examples.claims.survey import read_chunk, survey
from examples.claims.workers import LEASE, Worker, WorkerDied
from holdfast import HoldfastError, Status, Usage

KILL_AT: Final = 0.4
"""The share of claims after which the first worker is killed."""
POLL: Final = 0.05
"""Seconds between two looks at the run's progress."""

PAUSES: Final = 10.0
"""How many seconds all pauses together take, so that there is a middle in which to kill a worker."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Where the demo takes place."""

    data: Path
    store: str
    ledger: Path
    pace: float
    claim_ids: list[str]
    expected: Report  # what plain code comes to
    model: str | None  # that the reviewer thinks with; None: rules stand in for one


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How it went."""

    report: Report
    seen: int  # claims that the progress had shown as done when the first worker was killed
    recorded: set[Unit]  # at that moment
    interrupted: bool
    audit: Audit
    usage: Usage  # of the reviewer's model


async def watch(run: Any, worker: Worker, bar: Bar, until: int | None = None) -> tuple[int, bool]:
    """Show the run's progress until that many claims are done, or nothing more can come.

    Returns how many are done, and whether nothing more can come. Raises what the run failed with.
    """
    while True:
        info = await run.info()
        done, note = (info.progress.done, info.progress.message) if info.progress else (0, "")
        bar.show(done, f"worker {worker.name} (pid {worker.pid})", note)
        if info.status.ended or info.status is Status.BLOCKED:
            await run.result()
            return done, True
        if until is not None and done >= until:
            return done, False
        worker.check()
        await asyncio.sleep(POLL)


async def play(setting: Setting, bar: Bar) -> Ending:
    """Start a run, kill its worker in the middle, let another one finish it."""
    count = len(setting.claim_ids)
    async with app.connect(setting.store) as client:
        run = await client.start(process(str(setting.data)))
        bar.say(f"run {run.id} is started: {count:,} claims from {setting.data.name}")
        first = Worker("A", setting.store, setting.ledger, setting.pace)
        try:
            seen, ended = await watch(run, first, bar, until=max(int(count * KILL_AT), 1))
        finally:
            await first.kill()
        # Nobody works on the run now, so what is recorded is exactly what had been when the worker was killed.
        recorded = recorded_units(await run.recorded())
        bar.say(f"worker A is killed (SIGKILL, pid {first.pid}): {finished(recorded):,} claims were done")
        second = Worker("B", setting.store, setting.ledger, setting.pace)
        bar.say(
            f"worker B is started (pid {second.pid}): it takes over once A's lease of {LEASE:g} seconds has expired"
        )
        try:
            await watch(run, second, bar)
            report = await run.result()
            usage = await client.usage(run.id)
        finally:
            await second.stop()
    audited = audit(read_ledger(setting.ledger), recorded, setting.claim_ids)
    return Ending(report=report, seen=seen, recorded=recorded, interrupted=not ended, audit=audited, usage=usage)


def prepare(folder: Path, data: Path | None, count: int) -> Setting:
    """Find or generate the claims, and work out without Holdfast what has to come out."""
    if data is None:
        data = folder / "claims.csv"
        write_claims(data, count)
    found = survey(data.resolve())
    claims = [claim for chunk in found.chunks for claim in read_chunk(found.path, found.columns, chunk)]
    tally = Tally()
    for claim in claims:
        tally.add(advised(claim, found.related.get(claim.id, Related())))
    return Setting(
        data=Path(found.path),
        store=f"sqlite:///{folder / 'claims.db'}",
        ledger=folder / "ledger.txt",
        pace=float(os.environ.get(PACE) or min(PAUSES * CONCURRENCY / max(len(claims), 1), 0.3)),
        claim_ids=[claim.id for claim in claims],
        expected=tally.report(),
        model=os.environ.get(MODEL),
    )


def advised(claim: Claim, related: Related) -> Assessment:
    """What the agent must come to, step by step: the assessment, and what the reviewer's rules say of it."""
    assessment = assess(claim, related)
    if assessment.decision.outcome is not Outcome.PERSON:
        return assessment
    told = figures_of(Case(claim, related, assessment))
    return assessment.model_copy(update={"advice": advise(assessment.decision.reasons, told, related.same)})


def verdict(setting: Setting, ending: Ending) -> list[str]:
    """Say what went wrong; nothing if nothing did."""
    wrong = []
    if ending.audit.repeated:
        wrong.append(f"recorded steps were repeated: {ending.audit.repeated[:5]}")
    if finished(ending.recorded) < ending.seen:
        wrong.append(f"{ending.seen} claims were shown as done, {finished(ending.recorded)} were recorded")
    if ending.audit.missing:
        wrong.append(f"steps never ran: {ending.audit.missing[:5]}")
    if not same_reports(setting, ending.report):
        wrong.append("the report differs from the one of an undisturbed run")
    return wrong


def same_reports(setting: Setting, report: Report) -> bool:
    """Whether a report is the one of plain code; what a real model has said, no code can foretell."""
    if setting.model is None:
        return report == setting.expected
    return without_advice(report) == without_advice(setting.expected)


def summary(setting: Setting, ending: Ending) -> str:
    """What the kill cost, in numbers."""
    lines = [
        f"claims                              {len(setting.claim_ids):>8,}",
        f"  done before the kill              {finished(ending.recorded):>8,}",
        f"steps executed, by the ledger       {ending.audit.executed:>8,}",
        f"  recorded before the kill          {len(ending.recorded):>8,}",
        f"  of these repeated after it        {len(ending.audit.repeated):>8,}",
        f"  in flight at the kill, run again  {len(ending.audit.in_flight):>8,}",
        f"requests of the reviewer's model    {ending.usage.requests:>8,}",
        f"  tokens in and out                 {ending.usage.input_tokens + ending.usage.output_tokens:>8,}",
        thinks_with(setting.model),
    ]
    if not ending.interrupted:
        lines.append("The run had ended before the kill: too few claims, or too small a pause, to interrupt it.")
    return "\n".join(lines) + "\n"


def approval(decided: Decided | None) -> str:
    """What waiting for a person cost, and how fast it went on."""
    if decided is None:
        return "No claim needs a person: nobody was asked.\n"
    lines = [
        f"settlements that wait for a person  {decided.waiting:>8,}",
        f"  tasks that each holds in memory   {decided.tasks:>8,.3g}   while at work: {decided.tasks_at_work:.3g}",
        f"  bytes that each holds in memory   {decided.bytes:>8,.0f}   while at work: {decided.bytes_at_work:,.0f}",
        f"  bytes of one in the store         {decided.stored:>8,}",
        "one of them, decided from the command line:",
        *(f"  $ {command}" for command in decided.commands),
        *(f"    {line}" for line in decided.said),
        f"  asked for, paid (USD)       {decided.asked:>14,.2f} {decided.paid:>14,.2f}",
        f"  went on after the decision, ms    {decided.milliseconds:>8,.1f}",
    ]
    return "\n".join(lines) + "\n"


def for_a_person(report: Report) -> int:
    """How many claims a person has to decide."""
    return next(line.claims for line in report.outcomes if line.name == Outcome.PERSON.value)


def thinks_with(model: str | None) -> str:
    """Say what the reviewer's advice comes from."""
    if model is not None:
        return f"The reviewer thinks with {model}."
    return (
        "No model was asked: rules (examples/claims/reviewer.py) stood in for one, through the same requests, and the\n"
        "tokens are the library's estimate. MODEL=openai:… or another provider's model makes it think."
    )


def main() -> int:
    """Play the demo; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.claims.demo", description="Claims that survive a kill.")
    parser.add_argument("--data", type=Path, help="a file of NFIP claims")
    parser.add_argument("--claims", type=int, default=400, help="how many to generate without --data")
    arguments = parser.parse_args()
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    try:
        setting = prepare(folder, arguments.data, arguments.claims)
        with Bar(console, len(setting.claim_ids)) as bar:
            ending = asyncio.run(play(setting, bar))
        show(ending.report, console)
        console.print(summary(setting, ending), markup=False, highlight=False, soft_wrap=True)
        decided = asyncio.run(at_the_desk(setting.store, setting.ledger, for_a_person(ending.report)))
        console.print(approval(decided), markup=False, highlight=False, soft_wrap=True)
        wrong = verdict(setting, ending) + (decided.wrong if decided is not None else [])
    except ClaimsFileError as error:
        shutil.rmtree(folder)
        sys.exit(str(error))
    except (WorkerDied, HoldfastError) as error:
        wrong = [str(error)]
    if wrong:
        print(*wrong, f"kept for a look: {folder}", sep="\n", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
