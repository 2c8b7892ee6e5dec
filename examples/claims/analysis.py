"""What can honestly be said about a claim from the columns of the file: pure functions, one per step of the agent."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from examples.claims.codes import CAUSES, DEDUCTIBLES, JUDGED_CAUSES
from examples.claims.model import (
    ZERO,
    Assessment,
    Claim,
    Comparison,
    Cover,
    Coverage,
    Decision,
    Finding,
    Outcome,
    Part,
    Price,
    Related,
    Severity,
)
from examples.claims.rules import RULES, notice, refuse, review

AUTHORITY: Final = Decimal(100_000)
"""Above this a person signs. The example's own rule, not one of the insurance programme's."""
TOLERANCE: Final = (Decimal(50), Decimal("0.05"))
"""A payment agrees with the price within this many USD or this share of it, whichever is more."""


def validate(claim: Claim) -> list[Finding]:
    """Find what keeps a claim from being assessed at all, or leaves a gap in it."""
    return [*_missing(claim), *_unknown_codes(claim), *_negative_amounts(claim)]


def check_coverage(claim: Claim) -> Coverage:
    """Hold damage against deductible and limit, for the building and its contents.

    The deductible is taken off the damage, and the rest is paid up to the limit. The file has no damage for increased
    cost of compliance, so what was paid for it counts up to its limit.
    """
    parts = [_part(name, cover) for name, cover in claim.covers()]
    return Coverage(parts=parts, icc_payable=min(claim.icc_paid or ZERO, claim.icc_limit or ZERO))


def detect_anomalies(claim: Claim, related: Related) -> list[Finding]:
    """Find what is odd about a claim that can be assessed."""
    return [finding for rule in RULES for finding in rule(claim, related)]


def price(claim: Claim, coverage: Coverage) -> Price:
    """Say what a claim should pay, and compare it with what it did pay."""
    paid = sum((cover_paid(cover) for _, cover in claim.covers()), claim.icc_paid or ZERO)
    payable = coverage.payable
    return Price(payable=payable, paid=paid, comparison=_compare(payable, paid, claim.basis))


def decide(claim: Claim, findings: list[Finding], price: Price) -> Assessment:
    """Pay, deny, or hand to a person: exactly one, with every reason that led there, and what else was worked out."""
    return Assessment(
        claim_id=claim.id,
        state=claim.state or "?",
        cause=CAUSES.get(claim.cause or "", "unknown"),
        lost_on=claim.date_of_loss,
        damage=(claim.building.damage or ZERO) + (claim.contents.damage or ZERO),
        findings=findings,
        price=price,
        decision=_weigh(findings, price),
    )


def assess(claim: Claim, related: Related | None = None) -> Assessment:
    """Do all of the above in one go: what the agent must come to, step by step."""
    findings = validate(claim) + detect_anomalies(claim, related or Related())
    return decide(claim, findings, price(claim, check_coverage(claim)))


def cover_paid(cover: Cover) -> Decimal:
    """What was paid on a cover; ``NA`` comes with a net payment of 0 and a reason for not paying."""
    return cover.paid if cover.paid is not None else cover.net or ZERO


def _missing(claim: Claim) -> Iterator[Finding]:
    needed = ("date_of_loss", "policy_began", "cause", "state")
    absent = [name for name in needed if getattr(claim, name) is None]
    absent += [f"{name} {field}" for name, cover in claim.covers() for field in _absent_in(cover)]
    if absent:
        yield review("missing_fields", f"missing: {', '.join(absent)}")
    if claim.county is None or claim.tract is None:
        yield notice("location_incomplete", "county or census tract is missing")


def _absent_in(cover: Cover) -> Iterator[str]:
    yield from (field for field in ("limit", "damage") if getattr(cover, field) is None)
    if cover.paid is None and cover.refusal is None and cover.damage:
        yield "payment and reason for not paying"


def _unknown_codes(claim: Claim) -> Iterator[Finding]:
    for name, cover in claim.covers():
        if cover.damage and cover.deductible_code not in DEDUCTIBLES:
            yield review("unknown_deductible", f"{name} deductible code {cover.deductible_code!r} has no known amount")
    if claim.cause is not None and claim.cause not in CAUSES:
        yield review("unknown_cause", f"cause of damage {claim.cause!r} is not a known code")
    elif claim.cause in JUDGED_CAUSES:
        yield review("cause_to_judge", f"cause is {CAUSES[claim.cause]}: not plainly a flood")


def _negative_amounts(claim: Claim) -> Iterator[Finding]:
    amounts = {"ICC limit": claim.icc_limit, "ICC payment": claim.icc_paid}
    for name, cover in claim.covers():
        amounts |= {f"{name} {field}": getattr(cover, field) for field in ("limit", "damage", "paid", "net")}
    negative = [name for name, amount in amounts.items() if amount is not None and amount < 0]
    if negative:
        yield review("negative_amount", f"below zero: {', '.join(negative)}")


def _part(name: str, cover: Cover) -> Part:
    damage, limit = max(cover.damage or ZERO, ZERO), max(cover.limit or ZERO, ZERO)
    deductible = DEDUCTIBLES.get(cover.deductible_code or "") if damage else ZERO
    payable = None if deductible is None else min(max(damage - deductible, ZERO), limit)
    uncovered = max(damage - (deductible or ZERO) - limit, ZERO)
    return Part(name=name, damage=damage, limit=limit, deductible=deductible, payable=payable, uncovered=uncovered)


def _weigh(findings: list[Finding], price: Price) -> Decision:
    refused = [finding for finding in findings if finding.severity is Severity.REFUSE]
    if refused:
        return _decision(Outcome.DENY, refused)
    doubts = [finding for finding in findings if finding.severity is Severity.REVIEW]
    doubts += _doubts_about(price)
    if doubts:
        return _decision(Outcome.PERSON, doubts)
    if not price.payable:
        return _decision(Outcome.DENY, [refuse("nothing_payable", "no damage above the deductible is covered")])
    text = f"covered, {price.payable:,.2f} after deductible and limit"
    return _decision(Outcome.PAY, [notice("covered", text)], price.payable)


def _compare(payable: Decimal | None, paid: Decimal, basis: str | None) -> Comparison:
    if payable is None:
        return Comparison.UNKNOWN
    dollars, share = TOLERANCE
    if abs(paid - payable) <= max(dollars, payable * share):
        return Comparison.AGREES
    if paid < payable:
        return Comparison.PAID_LESS
    # The damage is given at actual cash value; settling at replacement cost gives back the depreciation.
    return Comparison.REPLACEMENT if basis == "R" else Comparison.PAID_MORE


def _doubts_about(price: Price) -> Iterator[Finding]:
    if price.payable is None:
        yield review("no_price", "the amount payable cannot be computed")
    elif price.comparison in (Comparison.PAID_LESS, Comparison.PAID_MORE):
        code = price.comparison.replace(" ", "_")
        yield review(code, f"{price.payable:,.2f} is payable but {price.paid:,.2f} was paid")
    elif not price.payable and price.comparison is Comparison.REPLACEMENT:
        yield review("only_replacement", f"nothing is payable at actual cash value, but {price.paid:,.2f} was paid")
    if price.payable is not None and price.payable > AUTHORITY:
        yield review("above_authority", f"{price.payable:,.2f} is above the authority of {AUTHORITY:,}")


def _decision(outcome: Outcome, findings: list[Finding], amount: Decimal = ZERO) -> Decision:
    reasons = list(dict.fromkeys(finding.code for finding in findings))
    return Decision(outcome=outcome, amount=amount, reasons=reasons, because=[finding.text for finding in findings])
