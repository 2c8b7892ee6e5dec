"""The report at the end: counts, totals, where and why, and what needs a person.

A report depends on the assessments only, not on the order in which they came in.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from examples.claims.model import ZERO, Assessment, Outcome, Record

TOP: Final = 8
"""How many causes and states are listed."""

LISTED: Final = 12
"""How many claims that need a person are listed: those with the most money in them."""


class Line(Record):
    """A group of claims in numbers. Amounts in USD."""

    name: str
    claims: int
    damage: Decimal
    payable: Decimal
    paid: Decimal  # at the time
    to_pay: Decimal  # what was decided here


class Count(Record):
    """How many claims something holds for."""

    name: str
    claims: int


class Waiting(Record):
    """A claim that needs a person."""

    claim_id: str
    state: str
    lost_on: date | None
    payable: Decimal | None
    paid: Decimal
    because: list[str]
    advice: str  # of the reviewer


class Report(Record):
    """What became of a file of claims."""

    total: Line
    outcomes: list[Line]
    causes: list[Line]
    states: list[Line]
    reasons: list[Count]  # why claims need a person; one claim may have several
    denials: list[Count]
    findings: list[Count]
    comparisons: list[Count]  # the price against what was paid
    advice: list[Count]  # what the reviewer says that a person should do next
    waiting: list[Waiting]  # the largest of those that need a person
    failures: list[str]  # claims whose assessment failed


def without_advice(report: Report) -> Report:
    """What a report says whatever the reviewer thinks."""
    waiting = [one.model_copy(update={"advice": ""}) for one in report.waiting]
    return report.model_copy(update={"advice": [], "waiting": waiting})


@dataclass
class Tally:
    """Adds up assessments as they come in."""

    _assessments: list[Assessment] = field(default_factory=list)
    _failures: list[str] = field(default_factory=list)
    waiting: int = 0  # how many of them need a person

    def add(self, assessment: Assessment) -> None:
        """Count an assessment."""
        self._assessments.append(assessment)
        self.waiting += assessment.decision.outcome is Outcome.PERSON

    def fail(self, claim_id: str, error: str) -> None:
        """Count a claim that could not be assessed."""
        self._failures.append(f"{claim_id}: {error}")

    @property
    def claims(self) -> int:
        """How many claims have come in."""
        return len(self._assessments) + len(self._failures)

    def report(self) -> Report:
        """Report on everything that has come in."""
        everything = self._assessments
        return Report(
            total=_line("all", everything),
            outcomes=[_line(outcome.value, self._with(outcome)) for outcome in Outcome],
            causes=_top((one.cause, one) for one in everything),
            states=_top((one.state, one) for one in everything),
            reasons=_counts(reason for one in self._with(Outcome.PERSON) for reason in one.decision.reasons),
            denials=_counts(reason for one in self._with(Outcome.DENY) for reason in one.decision.reasons),
            findings=_counts(code for one in everything for code in {found.code for found in one.findings}),
            comparisons=_counts(one.price.comparison.value for one in everything),
            advice=_counts(one.advice.next.value for one in everything if one.advice is not None),
            waiting=_largest(self._with(Outcome.PERSON)),
            failures=sorted(self._failures),
        )

    def _with(self, outcome: Outcome) -> list[Assessment]:
        return [one for one in self._assessments if one.decision.outcome is outcome]


def _line(name: str, assessments: list[Assessment]) -> Line:
    return Line(
        name=name,
        claims=len(assessments),
        damage=sum((one.damage for one in assessments), ZERO),
        payable=sum((one.price.payable or ZERO for one in assessments), ZERO),
        paid=sum((one.price.paid for one in assessments), ZERO),
        to_pay=sum((one.decision.amount for one in assessments), ZERO),
    )


def _top(named: Iterable[tuple[str, Assessment]]) -> list[Line]:
    groups: defaultdict[str, list[Assessment]] = defaultdict(list)
    for name, assessment in named:
        groups[name].append(assessment)
    lines = [_line(name, assessments) for name, assessments in groups.items()]
    return sorted(lines, key=lambda line: (-line.paid, line.name))[:TOP]


def _counts(names: Iterable[str]) -> list[Count]:
    counted = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    return [Count(name=name, claims=claims) for name, claims in counted]


def _largest(assessments: list[Assessment]) -> list[Waiting]:
    ordered = sorted(assessments, key=lambda one: (-max(one.price.payable or ZERO, one.price.paid), one.claim_id))
    return [
        Waiting(
            claim_id=one.claim_id,
            state=one.state,
            lost_on=one.lost_on,
            payable=one.price.payable,
            paid=one.price.paid,
            because=one.decision.because,
            advice="" if one.advice is None else f"{one.advice.next}: {one.advice.question}",
        )
        for one in ordered[:LISTED]
    ]
