"""The claims agent: reads a file, assesses every claim step by step, and ends with a report.

What needs a person it hands to the reviewer first, an agent that thinks with a model (``reviewer.py``), and then to a
run of its own, which asks a person and waits for as long as they take: ``settle``.

It is plain asyncio. Every step is recorded once it has run: kill the worker at any moment, start another one, and it
goes on where the first one stopped.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Final

from examples.claims import analysis, settlement
from examples.claims.ledger import note, note_payment, noted
from examples.claims.model import Assessment, Claim, Coverage, Outcome, Price, Related
from examples.claims.report import Report, Tally
from examples.claims.reviewer import Case, reviewed
from examples.claims.settlement import Plan, Settlement
from examples.claims.survey import Survey, read_chunk, survey
from holdfast import App, Approved, Context, Escalate, Expired, Failure, Rejected, Responded

CONCURRENCY: Final = 10
PACE: Final = "CLAIMS_PACE"
"""Environment variable with the seconds that pricing a claim takes at least: what a slow service would take."""

app = App("claims")


@app.agent
async def process(ctx: Context, path: str) -> Report:
    """Assess every claim of a file, and report."""
    found = await ctx.step(survey, path)

    async def assess(claim: Claim) -> Assessment:
        related = found.related.get(claim.id, Related())
        findings = await ctx.step(validate, claim)
        coverage, anomalies = await asyncio.gather(
            ctx.step(check_coverage, claim),
            ctx.step(detect_anomalies, claim, related),
        )
        priced = await ctx.step(price, claim, coverage).using(timeout="1m", retries=3)
        assessment = await ctx.step(decide, claim, findings + anomalies, priced)
        if assessment.decision.outcome is not Outcome.PERSON:
            return assessment
        assessment = await reviewed(Case(claim, related, assessment))
        await ctx.start(settle(assessment), detached=True)  # it outlives this run: a person may take days
        return assessment

    tally = Tally()
    claims = claims_of(ctx, found)
    results = ctx.map(assess, claims, key=lambda claim: claim.id, concurrency=CONCURRENCY, on_error="collect")
    async for claim, result in results:
        if isinstance(result, Failure):
            tally.fail(claim.id, result.error)
        else:
            tally.add(result)
        ctx.progress(tally.claims, found.total, f"{tally.waiting} for a person")
    return tally.report()


@app.agent
async def settle(ctx: Context, assessment: Assessment) -> Settlement:
    """Settle a claim that is odd, or above the authority, as a person decides: they may change amount and steps."""
    draft = await ctx.step(settlement.plan, assessment)
    while True:
        decision = await ctx.approve(
            pay(assessment.claim_id, draft.amount, draft.steps),
            because="; ".join(assessment.decision.because),
            to=settlement.asked_of(assessment),
            risk=settlement.risk(assessment),
            within="14d",
            on_expire=[Escalate(settlement.LEAD, within="7d"), "deny"],
        )
        match decision:
            case Approved(value=payment, by=by):
                # What was approved, edits included, is what is executed; it says itself how much that was.
                receipt = await payment
                return Settlement(claim_id=assessment.claim_id, **receipt, decided=f"approved by {by}")
            case Responded(text=text):
                draft = Plan(amount=draft.amount, steps=[text, *draft.steps])  # and asks again
            case Rejected(reason=reason, by=by):
                return unpaid(assessment, f"rejected by {by}: {reason}")
            case Expired(at=at):
                return unpaid(assessment, f"nobody decided until {at:%Y-%m-%d}")


@app.tool
def pay(claim_id: str, amount: Decimal, steps: list[str]) -> dict[str, str]:
    """Have the steps done and the amount paid; here it is only noted in the ledger."""
    note_payment(claim_id)
    return {"paid": str(amount), "reference": f"{claim_id}-{len(steps)}"}


def unpaid(assessment: Assessment, decided: str) -> Settlement:
    """A claim on which nothing is paid."""
    return Settlement(claim_id=assessment.claim_id, paid=Decimal(0), reference="", decided=decided)


async def claims_of(ctx: Context, found: Survey) -> AsyncIterator[Claim]:
    """Read the claims chunk by chunk: a file may be larger than what one recorded value may hold."""
    for chunk in found.chunks:
        for claim in await ctx.step(read_chunk, found.path, found.columns, chunk).using(key=f"line-{chunk.line}"):
            yield claim


# Steps are ordinary functions. These also note each of their executions in a ledger outside Holdfast: that is how the
# demo can count what ran twice.
validate = noted(analysis.validate)
check_coverage = noted(analysis.check_coverage)
detect_anomalies = noted(analysis.detect_anomalies)
decide = noted(analysis.decide)


async def price(claim: Claim, coverage: Coverage) -> Price:
    """Say what the claim should pay, as slowly as a service might."""
    note(claim, "price")
    await asyncio.sleep(float(os.environ.get(PACE, "0")))
    return analysis.price(claim, coverage)
