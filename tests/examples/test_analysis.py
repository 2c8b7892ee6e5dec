"""What the analysis says about single claims, rule by rule."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from examples.claims import analysis
from examples.claims.codes import CAUSES, DEDUCTIBLES, JUDGED_CAUSES
from examples.claims.model import ZERO, Claim, Comparison, Finding, Outcome, Related, Severity
from tests.examples.making import claim, cover, no_cover


def findings(subject: Claim, related: Related | None = None) -> dict[str, Severity]:
    found: list[Finding] = analysis.assess(subject, related).findings
    return {finding.code: finding.severity for finding in found}


def outcome(subject: Claim) -> Outcome:
    return analysis.assess(subject).decision.outcome


def test_a_plain_claim_is_paid_damage_less_deductible() -> None:
    assessed = analysis.assess(claim())
    assert assessed.findings == []
    assert assessed.decision.outcome is Outcome.PAY
    assert assessed.decision.amount == Decimal(9_000)
    assert assessed.decision.reasons == ["covered"]


@pytest.mark.parametrize(
    ("changes", "code", "severity"),
    [
        ({"date_of_loss": None}, "missing_fields", Severity.REVIEW),
        ({"state": None}, "missing_fields", Severity.REVIEW),
        ({"building": cover(damage=None)}, "missing_fields", Severity.REVIEW),
        ({"building": cover(limit=None)}, "missing_fields", Severity.REVIEW),
        ({"building": cover(paid=None, net=0)}, "missing_fields", Severity.REVIEW),
        ({"tract": None}, "location_incomplete", Severity.NOTICE),
        ({"building": cover(deductible_code="Z")}, "unknown_deductible", Severity.REVIEW),
        ({"building": cover(deductible_code=None)}, "unknown_deductible", Severity.REVIEW),
        ({"cause": "X"}, "unknown_cause", Severity.REVIEW),
        ({"cause": "9"}, "cause_to_judge", Severity.REVIEW),
        ({"building": cover(damage=-1)}, "negative_amount", Severity.REVIEW),
        ({"icc_paid": -1}, "negative_amount", Severity.REVIEW),
        ({"policy_began": date(2004, 9, 17)}, "loss_before_policy", Severity.REFUSE),
        ({"policy_began": date(2004, 9, 16)}, "waiting_period", Severity.REVIEW),
        ({"policy_began": date(2004, 8, 18)}, "waiting_period", Severity.REVIEW),
        ({"year_of_loss": 2003}, "year_mismatch", Severity.REVIEW),
        ({"built": date(2004, 9, 17)}, "built_after_loss", Severity.REVIEW),
        ({"as_of": date(2004, 9, 15)}, "loss_in_future", Severity.REVIEW),
        ({"building": cover(limit=8_999)}, "paid_above_coverage", Severity.REVIEW),
        ({"icc_paid": 30_001}, "paid_above_coverage", Severity.REVIEW),
        ({"building": cover(paid=10_001)}, "paid_above_damage", Severity.REVIEW),
        ({"building": cover(paid=10_001), "basis": "R"}, "paid_above_damage", Severity.NOTICE),
        ({"building": cover(refusal="06")}, "paid_despite_reason", Severity.REVIEW),
        ({"building": cover(net=8_000)}, "recovered", Severity.NOTICE),
        ({"water_depth": -3}, "negative_depth", Severity.NOTICE),
    ],
)
def test_each_rule_finds_what_it_is_for(changes: dict[str, Any], code: str, severity: Severity) -> None:
    assert findings(claim(**changes))[code] is severity


@pytest.mark.parametrize(
    "changes",
    [
        {"policy_began": date(2004, 8, 17)},  # thirty days are over
        {"policy_began": date(1995, 2, 28), "date_of_loss": date(1995, 3, 2), "year_of_loss": 1995},  # an older rule
        {"built": date(2004, 9, 16)},
        {"building": cover(limit=9_000)},
        {"building": no_cover(deductible_code="Z")},  # nothing to deduct from
        {"building": cover(damage=800, paid=None, net=0, refusal="01")},
        {"water_depth": 0},
        {"event": None, "basis": None, "latitude": None},
    ],
)
def test_no_rule_finds_what_is_in_order(changes: dict[str, Any]) -> None:
    assert findings(claim(**changes)) == {}


def test_other_claims_of_the_file_tell_of_duplicates_and_of_repeated_losses() -> None:
    related = Related(same=["c-2"], losses=3)
    assert findings(claim(), related) == {"duplicate": Severity.REVIEW, "repeated_loss": Severity.NOTICE}
    assert "c-2" in analysis.assess(claim(), related).findings[0].text


@pytest.mark.parametrize(
    ("damage", "limit", "code", "payable", "uncovered"),
    [
        (10_000, 100_000, "0", 9_500, 0),
        (500, 100_000, "0", 0, 0),
        (499, 100_000, "0", 0, 0),
        (100_000, 60_000, "F", 60_000, 38_750),
        (0, 100_000, "1", 0, 0),
        (5_000, 0, "1", 0, 4_000),
        (0, 0, "Z", 0, 0),
    ],
)
def test_a_part_is_payable_above_its_deductible_and_up_to_its_limit(
    damage: int, limit: int, code: str, payable: int, uncovered: int
) -> None:
    building = cover(damage=damage, limit=limit, deductible_code=code)
    part = analysis.check_coverage(claim(building=building)).parts[0]
    assert (part.payable, part.uncovered) == (Decimal(payable), Decimal(uncovered))


def test_coverage_adds_up_building_contents_and_icc_within_their_limits() -> None:
    contents = cover(damage=3_000, deductible_code="0", limit=2_000)
    covered = analysis.check_coverage(claim(contents=contents, icc_paid=40_000))
    assert covered.payable == 9_000 + 2_000 + 30_000


def test_a_deductible_without_meaning_leaves_the_price_open_and_goes_to_a_person() -> None:
    assessed = analysis.assess(claim(building=cover(deductible_code="Z")))
    assert assessed.price.payable is None
    assert assessed.price.comparison is Comparison.UNKNOWN
    assert assessed.price.difference == ZERO
    assert assessed.decision.reasons == ["unknown_deductible", "no_price"]


@pytest.mark.parametrize(
    ("paid", "basis", "comparison"),
    [
        ("9000.40", "A", Comparison.AGREES),
        ("9450", "A", Comparison.AGREES),
        ("9450.01", "A", Comparison.PAID_MORE),
        ("8549.99", "A", Comparison.PAID_LESS),
        ("9900", "R", Comparison.REPLACEMENT),
        ("8000", "R", Comparison.PAID_LESS),
    ],
)
def test_the_price_is_compared_with_what_was_paid(paid: str, basis: str, comparison: Comparison) -> None:
    subject = claim(building=cover(paid=paid, net=paid), basis=basis)
    assert analysis.assess(subject).price.comparison is comparison


def test_a_claim_below_its_deductible_is_denied() -> None:
    assessed = analysis.assess(claim(building=cover(damage=900, paid=None, net=0, refusal="01")))
    assert assessed.decision.outcome is Outcome.DENY
    assert assessed.decision.reasons == ["nothing_payable"]


def test_a_loss_before_the_policy_is_denied_whatever_else_is_odd() -> None:
    subject = claim(policy_began=date(2005, 1, 1), cause="9", building=cover(paid=1))
    decision = analysis.assess(subject).decision
    assert (decision.outcome, decision.reasons) == (Outcome.DENY, ["loss_before_policy"])


def test_a_payment_only_at_replacement_cost_goes_to_a_person() -> None:
    subject = claim(building=cover(damage=1_000, paid=2_206, net=2_206), basis="R")
    assert analysis.assess(subject).decision.reasons == ["only_replacement"]


@pytest.mark.parametrize(("damage", "expected"), [(101_000, Outcome.PAY), (101_001, Outcome.PERSON)])
def test_above_the_authority_a_person_signs(damage: int, expected: Outcome) -> None:
    assert (
        outcome(claim(building=cover(damage=damage, paid=damage - 1_000, net=damage - 1_000, limit=250_000)))
        is expected
    )


@pytest.mark.parametrize("part", ["building", "contents"])
def test_a_claim_of_a_person_gives_every_reason(part: str) -> None:
    subject = claim(cause="0", year_of_loss=1999, **{part: cover(paid=5, net=5)})
    decision = analysis.assess(subject).decision
    assert decision.outcome is Outcome.PERSON
    assert decision.reasons[:2] == ["cause_to_judge", "year_mismatch"]
    assert decision.amount == ZERO
    assert len(decision.because) == 3


def test_codes_are_complete_for_what_a_person_has_to_judge() -> None:
    assert set(CAUSES) >= JUDGED_CAUSES
    assert all(amount > 0 for amount in DEDUCTIBLES.values())
