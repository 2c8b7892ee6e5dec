"""The claims agent: reads a file, assesses every claim step by step, and ends with a report.

Every step is recorded once it has run. Kill the worker at any moment, start another one, and it goes on with the step
that was not recorded yet.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Final

from examples.claims import analysis
from examples.claims.ledger import note
from examples.claims.model import Assessment, Claim, Coverage, Decision, Finding, Price, Related
from examples.claims.report import Report, Tally
from examples.claims.survey import Survey, read_chunk, survey
from holdfast import App, Context, Failure

CONCURRENCY: Final = 10
PACE: Final = "CLAIMS_PACE"
"""Environment variable with the seconds that pricing a claim takes at least: what a slow service would take."""

app = App("claims")


def validate(claim: Claim) -> list[Finding]:
    """Step 1: what keeps the claim from being assessed."""
    note(claim.id, "validate")
    return analysis.validate(claim)


def check_coverage(claim: Claim) -> Coverage:
    """Step 2: damage against deductible and limit."""
    note(claim.id, "check_coverage")
    return analysis.check_coverage(claim)


def detect_anomalies(claim: Claim, related: Related) -> list[Finding]:
    """Step 3: what is odd about the claim."""
    note(claim.id, "detect_anomalies")
    return analysis.detect_anomalies(claim, related)


async def price(claim: Claim, coverage: Coverage) -> Price:
    """Step 4: what the claim should pay."""
    note(claim.id, "price")
    await asyncio.sleep(float(os.environ.get(PACE, "0")))
    return analysis.price(claim, coverage)


def decide(claim_id: str, findings: list[Finding], price: Price) -> Decision:
    """Step 5: pay, deny, or hand to a person."""
    note(claim_id, "decide")
    return analysis.decide(findings, price)


async def appraise(ctx: Context, claim: Claim, related: Related) -> Assessment:
    """Take one claim through all steps."""
    findings = await ctx.step(validate, claim)
    coverage, anomalies = await asyncio.gather(
        ctx.step(check_coverage, claim),
        ctx.step(detect_anomalies, claim, related),
    )
    findings = findings + anomalies
    priced = await ctx.step(price, claim, coverage).using(timeout="1m", retries=3)
    decision = await ctx.step(decide, claim.id, findings, priced)
    return analysis.conclude(claim, findings, priced, decision)


@app.agent
async def assess(ctx: Context, claim: Claim) -> Assessment:
    """Assess a single claim."""
    return await appraise(ctx, claim, Related())


@app.agent
async def process(ctx: Context, path: str) -> Report:
    """Assess every claim of a file, and report."""
    found = await ctx.step(survey, path)

    async def appraised(claim: Claim) -> Assessment:
        return await appraise(ctx, claim, found.related.get(claim.id, Related()))

    tally = Tally()
    claims = claims_of(ctx, found)
    async for claim, result in ctx.map(appraised, claims, key=id_of, concurrency=CONCURRENCY, on_error="collect"):
        if isinstance(result, Failure):
            tally.fail(claim.id, result.error)
        else:
            tally.add(result)
        ctx.progress(tally.claims, found.total, f"{tally.waiting} for a person")
    return tally.report()


async def claims_of(ctx: Context, found: Survey) -> AsyncIterator[Claim]:
    """Read the claims chunk by chunk: a file may be larger than what one recorded value may hold."""
    for chunk in found.chunks:
        for claim in await ctx.step(read_chunk, found.path, found.columns, chunk).using(key=f"line-{chunk.line}"):
            yield claim


def id_of(claim: Claim) -> str:
    """What a claim is known by."""
    return claim.id
