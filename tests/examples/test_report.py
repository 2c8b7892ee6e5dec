"""The report over many claims, generated and real: everything adds up, and the order does not matter."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from examples.claims.analysis import assess
from examples.claims.generate import write_claims
from examples.claims.model import ZERO, Assessment, Outcome, Severity
from examples.claims.report import Line, Report, Tally
from examples.claims.show import show
from examples.claims.survey import read_chunk, survey
from tests.examples.making import REAL, claim


def assessments(path: Path) -> list[Assessment]:
    found = survey(path)
    claims = [claim for chunk in found.chunks for claim in read_chunk(found.path, found.columns, chunk)]
    return [assess(claim, found.related.get(claim.id)) for claim in claims]


def report(assessed: list[Assessment]) -> Report:
    tally = Tally()
    for one in assessed:
        tally.add(one)
    return tally.report()


@pytest.fixture(scope="module", params=["generated", "real"])
def assessed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Assessment]]:
    if request.param == "real":
        if not REAL.exists():
            pytest.skip("the real claims are not beside the project: they are not part of it")
        yield assessments(REAL)
    else:
        path = tmp_path_factory.mktemp("claims") / "claims.csv"
        write_claims(path, 1_000)
        yield assessments(path)


def columns(lines: list[Line]) -> list[Decimal]:
    return [
        sum((getattr(line, name) for line in lines), ZERO) for name in ("claims", "damage", "payable", "paid", "to_pay")
    ]


def test_outcomes_add_up_to_the_total(assessed: list[Assessment]) -> None:
    made = report(assessed)
    assert columns(made.outcomes) == columns([made.total])
    assert made.total.claims == len(assessed) == 1_000
    assert made.total.damage == sum(one.damage for one in assessed)


def test_every_claim_ends_in_one_decision_that_fits_its_findings(assessed: list[Assessment]) -> None:
    for one in assessed:
        severities = {finding.severity for finding in one.findings}
        assert one.decision.reasons
        assert one.decision.because
        if Severity.REFUSE in severities:
            assert one.decision.outcome is Outcome.DENY
        elif Severity.REVIEW in severities:
            assert one.decision.outcome is Outcome.PERSON


def test_only_what_is_paid_has_an_amount_and_it_is_the_price(assessed: list[Assessment]) -> None:
    for one in assessed:
        due = one.price.payable if one.decision.outcome is Outcome.PAY else ZERO
        assert one.decision.amount == due
        assert (one.decision.amount > 0) == (one.decision.outcome is Outcome.PAY)


def test_nothing_is_payable_above_the_damage_but_compliance_cost(assessed: list[Assessment]) -> None:
    assert all(ZERO <= (one.price.payable or ZERO) <= one.damage + 30_000 for one in assessed)


def test_the_order_of_the_claims_does_not_matter(assessed: list[Assessment]) -> None:
    shuffled = Random(1).sample(assessed, len(assessed))
    assert report(shuffled) == report(assessed)


def test_a_report_survives_the_journey_through_json(assessed: list[Assessment]) -> None:
    made = report(assessed)
    assert Report.model_validate_json(made.model_dump_json()) == made
    assert all(Assessment.model_validate_json(one.model_dump_json()) == one for one in assessed[:50])


def test_the_real_claims_come_to_what_was_counted_by_hand() -> None:
    if not REAL.exists():
        pytest.skip("the real claims are not beside the project: they are not part of it")
    made = report(assessments(REAL))
    findings = {count.name: count.claims for count in made.findings}
    assert findings["built_after_loss"] == 4
    assert findings["paid_above_coverage"] == 1
    assert findings["duplicate"] == 2
    assert findings["paid_above_damage"] == 56
    assert findings["negative_depth"] == 27
    assert "loss_before_policy" not in findings


def test_generated_claims_have_every_kind_of_end(tmp_path: Path) -> None:
    write_claims(tmp_path / "claims.csv", 1_000)
    made = report(assessments(tmp_path / "claims.csv"))
    assert all(line.claims > 10 for line in made.outcomes)
    rare = {"loss_before_policy", "duplicate", "waiting_period", "unknown_deductible", "missing_fields", "recovered"}
    assert rare <= {count.name for count in made.findings}


def test_a_report_is_plain_text_where_there_is_no_terminal(assessed: list[Assessment]) -> None:
    console = Console(force_terminal=False, width=80)
    with console.capture() as capture:
        show(report(assessed), console)
    text = capture.get()
    assert "\x1b" not in text
    assert text.startswith("What is to be done (USD)\n  decision ")
    assert "Why claims need a person" in text


def test_a_report_is_tables_on_a_terminal() -> None:
    console = Console(force_terminal=True, width=100)
    with console.capture() as capture:
        show(report([assess(claim())]), console)
    assert "\x1b[1m" in capture.get()


def test_states_with_the_same_amount_are_listed_by_name() -> None:
    made = report([assess(claim(id=state, state=state)) for state in ("TX", "AL", "LA")])
    assert [line.name for line in made.states] == ["AL", "LA", "TX"]


def test_a_claim_that_failed_is_counted_and_named() -> None:
    tally = Tally()
    tally.fail("c-9", "it broke")
    assert tally.claims == 1
    assert tally.report().failures == ["c-9: it broke"]


def test_a_report_on_nothing_is_a_report() -> None:
    console = Console(force_terminal=False)
    with console.capture() as capture:
        show(Tally().report(), console)
    assert "all" in capture.get()
