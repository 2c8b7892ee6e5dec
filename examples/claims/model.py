"""What travels through the example: a claim, what was found about it, and what is to be done."""

from datetime import date
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

ZERO = Decimal(0)


class Record(BaseModel):
    """Base of all models here: immutable, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Cover(Record):
    """One thing insured and what became of it. Amounts in USD; ``None`` is what the publisher writes as ``NA``."""

    limit: Decimal | None
    deductible_code: str | None
    damage: Decimal | None
    paid: Decimal | None  # before recoveries
    net: Decimal | None  # after recoveries
    refusal: str | None  # code of the reason for not paying


class Claim(Record):
    """One claim, as far as the analysis reads it."""

    id: str = Field(pattern=r"^\S+$")  # a column of the ledger
    state: str | None
    county: str | None
    tract: str | None
    zip_code: str | None
    latitude: Decimal | None  # rounded by the publisher to a tenth of a degree
    longitude: Decimal | None
    as_of: date | None
    date_of_loss: date | None
    year_of_loss: int | None
    policy_began: date | None  # original new-business date
    built: date | None
    cause: str | None
    event: str | None
    water_depth: int | None
    basis: str | None  # how the loss is settled: R = replacement cost, A = actual cash value
    building: Cover
    contents: Cover
    icc_limit: Decimal | None  # increased cost of compliance
    icc_paid: Decimal | None
    icc_net: Decimal | None

    def covers(self) -> tuple[tuple[str, Cover], tuple[str, Cover]]:
        """The two insured things by name."""
        return ("building", self.building), ("contents", self.contents)


class Severity(StrEnum):
    """How much a finding weighs."""

    NOTICE = "notice"  # worth knowing
    REVIEW = "review"  # a person has to look
    REFUSE = "refuse"  # the policy cannot answer for this loss


class Finding(Record):
    """One thing noticed about a claim."""

    code: str
    severity: Severity
    text: str


class Related(Record):
    """What other claims of the same file say about one claim."""

    same: list[str] = []  # ids of claims with the same loss in the same place
    losses: int = 1  # how many claims there are for this property


class Part(Record):
    """How far one cover answers for its damage."""

    name: str
    damage: Decimal
    limit: Decimal
    deductible: Decimal | None  # None: a code without a known meaning
    payable: Decimal | None  # None: cannot be computed
    uncovered: Decimal  # damage above what the limit could ever pay


class Coverage(Record):
    """Damage held against cover, part by part."""

    parts: list[Part]
    icc_payable: Decimal

    @property
    def payable(self) -> Decimal | None:
        """What the policy answers for in total; None if any part cannot be computed."""
        amounts = [part.payable for part in self.parts]
        known = [amount for amount in amounts if amount is not None]
        return None if len(known) < len(amounts) else sum(known, self.icc_payable)


class Comparison(StrEnum):
    """How the price stands to what was paid at the time."""

    AGREES = "agrees"
    REPLACEMENT = "replacement cost"  # paid more, as settlement at replacement cost does
    PAID_LESS = "paid less"
    PAID_MORE = "paid more"
    UNKNOWN = "unknown"


class Price(Record):
    """What a claim should pay, and what it did."""

    payable: Decimal | None
    paid: Decimal
    comparison: Comparison

    @property
    def difference(self) -> Decimal:
        """Paid beyond what the policy answers for; negative if less."""
        return ZERO if self.payable is None else self.paid - self.payable


class Outcome(StrEnum):
    """The three ends of a claim."""

    PAY = "pay"
    PERSON = "needs a person"
    DENY = "deny"


class Decision(Record):
    """What is to be done with a claim, and why."""

    outcome: Outcome
    amount: Decimal  # to be paid now: nothing unless the outcome is PAY
    reasons: list[str]  # codes, the same that the report counts
    because: list[str]  # the same as sentences


class Next(StrEnum):
    """What a person should do next about a claim."""

    SIGN = "sign"
    COMPARE = "compare"
    EXPLAIN = "explain"
    INSPECT = "inspect"
    ASK = "ask"


class Advice(Record):
    """What the reviewer prepares for the person who decides a claim."""

    next: Next
    question: str  # the one whose answer decides it


class Assessment(Record):
    """Everything that was worked out about one claim: what the report is made of."""

    claim_id: str
    state: str
    cause: str
    lost_on: date | None
    damage: Decimal
    findings: list[Finding]
    price: Price
    decision: Decision
    advice: Advice | None = None  # where a person decides
