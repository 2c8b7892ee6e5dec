"""What a person is asked about a claim: a settlement that they may change, and how much depends on it. All pure."""

from decimal import Decimal
from typing import Final

from examples.claims.analysis import AUTHORITY
from examples.claims.model import ZERO, Assessment, Record

ADJUSTER: Final = "role:adjuster"
LEAD: Final = "role:lead"
"""Who signs above the authority."""


class Plan(Record):
    """How a claim is to be settled."""

    amount: Decimal  # USD
    steps: list[str]  # what is done before it is paid


class Settlement(Record):
    """What came of it."""

    claim_id: str
    paid: Decimal
    reference: str  # of the payment; empty if there was none
    decided: str  # by whom and how


def plan(assessment: Assessment) -> Plan:
    """Draft a settlement: what the policy answers for, after what the reviewer advises."""
    steps = [] if assessment.advice is None else [f"{assessment.advice.next}: {assessment.advice.question}"]
    amount = assessment.price.payable or ZERO
    return Plan(amount=amount, steps=[*steps, f"pay {amount:,.2f} USD"])


def asked_of(assessment: Assessment) -> str:
    """Who decides it."""
    return LEAD if (assessment.price.payable or ZERO) > AUTHORITY else ADJUSTER


def risk(assessment: Assessment) -> int:
    """How much depends on it, 0 to 100: the amount, and how much is odd about the claim."""
    share = min((assessment.price.payable or ZERO) / (3 * AUTHORITY), Decimal(1))
    return min(100, int(60 * share) + 8 * len(assessment.decision.reasons))
