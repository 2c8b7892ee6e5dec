"""Rules that find anomalies: each looks at one claim and yields what it finds. Add a rule by adding it to ``RULES``."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Final

from examples.claims.codes import REASONS
from examples.claims.model import ZERO, Claim, Finding, Related, Severity

Rule = Callable[[Claim, Related], Iterator[Finding]]

WAITING_PERIOD: Final = timedelta(days=30)
WAITING_SINCE: Final = date(1995, 3, 1)
"""New policies take effect after 30 days since the National Flood Insurance Reform Act of 1994 (42 U.S.C. 4013(c))."""


def notice(code: str, text: str) -> Finding:
    """A finding worth knowing."""
    return Finding(code=code, severity=Severity.NOTICE, text=text)


def review(code: str, text: str) -> Finding:
    """A finding that a person has to look at."""
    return Finding(code=code, severity=Severity.REVIEW, text=text)


def refuse(code: str, text: str) -> Finding:
    """A finding for which the policy cannot answer."""
    return Finding(code=code, severity=Severity.REFUSE, text=text)


def loss_before_policy(claim: Claim, _: Related) -> Iterator[Finding]:
    """The loss came before the policy."""
    if claim.date_of_loss and claim.policy_began and claim.date_of_loss < claim.policy_began:
        yield refuse("loss_before_policy", f"lost on {claim.date_of_loss}, policy began on {claim.policy_began}")


def waiting_period(claim: Claim, _: Related) -> Iterator[Finding]:
    """The policy was new. Loans and revised maps are exempt, and the file does not show them: a person has to say."""
    if not claim.date_of_loss or not claim.policy_began or claim.policy_began < WAITING_SINCE:
        return
    age = claim.date_of_loss - claim.policy_began
    if timedelta(0) <= age < WAITING_PERIOD:
        yield review("waiting_period", f"lost {age.days} days after the policy began, within the 30 days of waiting")


def impossible_dates(claim: Claim, _: Related) -> Iterator[Finding]:
    """Dates that contradict each other."""
    lost = claim.date_of_loss
    if lost and claim.year_of_loss is not None and claim.year_of_loss != lost.year:
        yield review("year_mismatch", f"year of loss is {claim.year_of_loss}, date of loss is {lost}")
    if lost and claim.built and claim.built > lost:
        yield review("built_after_loss", f"lost on {lost}, built on {claim.built}")
    if lost and claim.as_of and lost > claim.as_of:
        yield review("loss_in_future", f"lost on {lost}, recorded as of {claim.as_of}")


def paid_above_coverage(claim: Claim, _: Related) -> Iterator[Finding]:
    """More was paid than the policy covers."""
    covers = [(name, cover.paid, cover.limit) for name, cover in claim.covers()]
    for name, paid, limit in [*covers, ("ICC", claim.icc_paid, claim.icc_limit)]:
        if paid is not None and limit is not None and paid > limit:
            yield review("paid_above_coverage", f"{name}: {paid:,.2f} paid, {limit:,.2f} covered")


def paid_above_damage(claim: Claim, _: Related) -> Iterator[Finding]:
    """More was paid than was damaged. Settlement at replacement cost explains it: damage is at actual cash value."""
    finding = notice if claim.basis == "R" else review
    for name, cover in claim.covers():
        if cover.paid is not None and cover.damage is not None and cover.paid > cover.damage:
            yield finding("paid_above_damage", f"{name}: {cover.paid:,.2f} paid, {cover.damage:,.2f} damaged")


def paid_despite_reason(claim: Claim, _: Related) -> Iterator[Finding]:
    """Something was paid although a reason for not paying is given."""
    for name, cover in claim.covers():
        if cover.refusal and (cover.paid or ZERO) > 0:
            why = REASONS.get(cover.refusal, cover.refusal)
            yield review("paid_despite_reason", f"{name}: paid, although refused for: {why}")


def recovered(claim: Claim, _: Related) -> Iterator[Finding]:
    """Part of the payment came back."""
    covers = [(name, cover.paid, cover.net) for name, cover in claim.covers()]
    for name, paid, net in [*covers, ("ICC", claim.icc_paid, claim.icc_net)]:
        if paid is not None and net is not None and paid != net:
            yield notice("recovered", f"{name}: {paid:,.2f} paid, {net:,.2f} after recoveries")


def water_below_zero(claim: Claim, _: Related) -> Iterator[Finding]:
    """A water depth below zero: below the reference floor, or a slip."""
    if claim.water_depth is not None and claim.water_depth < 0:
        yield notice("negative_depth", f"water depth is {claim.water_depth}")


def other_claims(_: Claim, related: Related) -> Iterator[Finding]:
    """What the rest of the file says about this claim."""
    if related.same:
        yield review("duplicate", f"same day, place and damage as {', '.join(related.same)}")
    if related.losses > 1:
        yield notice("repeated_loss", f"one of {related.losses} claims with the same place, policy date and year built")


RULES: Final[tuple[Rule, ...]] = (
    loss_before_policy,
    waiting_period,
    impossible_dates,
    paid_above_coverage,
    paid_above_damage,
    paid_despite_reason,
    recovered,
    water_below_zero,
    other_claims,
)
