"""Settlements wait for a person: who is asked, what they may change, and what is paid then."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from examples.claims import settlement
from examples.claims.agent import app, process, settle
from examples.claims.analysis import AUTHORITY
from examples.claims.generate import write_claims
from examples.claims.ledger import LEDGER, PAYMENT, read_ledger
from examples.claims.model import Advice, Assessment, Comparison, Decision, Next, Outcome, Price
from examples.claims.settlement import Settlement
from holdfast.testing import Rig


def assessed(payable: Decimal | None = Decimal(90_000), *reasons: str) -> Assessment:
    return Assessment(
        claim_id="c-1", state="FL", cause="flood", lost_on=date(2004, 9, 16), damage=Decimal(95_000), findings=[],
        price=Price(payable=payable, paid=Decimal(80_000), comparison=Comparison.PAID_LESS),
        decision=Decision(
            outcome=Outcome.PERSON, amount=Decimal(0), reasons=list(reasons or ["paid_less"]), because=["it is odd"]
        ),
        advice=Advice(next=Next.EXPLAIN, question="Why so little?"),
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(LEDGER, str(tmp_path / "ledger"))
    return tmp_path / "ledger"


def settled(assessment: Assessment, person: Callable[[Rig, Any], Awaitable[None]]) -> Settlement:
    async def play() -> Settlement:
        async with app.test() as t:
            run = await t.start(settle(assessment))
            await person(t, run)
            return await run.result()

    return asyncio.run(play())


def payments(ledger: Path) -> int:
    return sum(one.step == PAYMENT for one in read_ledger(ledger))


def test_above_the_authority_the_lead_is_asked_and_the_more_the_riskier() -> None:
    small, large = assessed(AUTHORITY), assessed(AUTHORITY + 1)
    assert settlement.asked_of(small) == "role:adjuster"
    assert settlement.asked_of(large) == settlement.asked_of(assessed(AUTHORITY * 9)) == "role:lead"
    assert settlement.asked_of(assessed(None)) == "role:adjuster"
    risks = [settlement.risk(one) for one in (assessed(None), assessed(Decimal(1000)), large, assessed(AUTHORITY * 99))]
    assert risks == sorted(risks)
    assert settlement.risk(assessed(AUTHORITY * 99, *"abcdefgh")) == 100
    assert settlement.risk(assessed(Decimal(1000), "a", "b")) > settlement.risk(assessed(Decimal(1000)))


def test_the_draft_says_what_the_reviewer_advises_and_what_the_policy_answers_for() -> None:
    draft = settlement.plan(assessed())
    assert (draft.amount, draft.steps) == (Decimal(90_000), ["explain: Why so little?", "pay 90,000.00 USD"])
    assert settlement.plan(assessed(None)).amount == 0


def test_what_a_person_approved_with_changes_is_paid_once_whatever_crashes(ledger: Path) -> None:
    async def ann(t: Rig, run: Any) -> None:
        asked = await t.asked(run)
        await t.advance("9d")
        await t.crash()
        await asked.approve(by="ann", amount=80_000, steps=["look again"])

    done = settled(assessed(), ann)
    assert done == Settlement(
        claim_id="c-1", paid=Decimal(80_000), reference="c-1-1", decided="approved by ann"
    )  # fmt: skip
    assert payments(ledger) == 1


def test_what_a_person_says_becomes_a_step_and_it_is_asked_again(ledger: Path) -> None:
    async def ann(t: Rig, run: Any) -> None:
        await (await t.asked(run)).respond(by="ann", text="ask the broker")
        again = await t.asked(run)
        assert again.case.action["arguments"]["steps"][0] == "ask the broker"
        await again.approve(by="bob")

    assert settled(assessed(), ann).reference == "c-1-3"
    assert payments(ledger) == 1


def test_rejected_or_forgotten_nothing_is_paid(ledger: Path) -> None:
    async def ann(t: Rig, run: Any) -> None:
        await (await t.asked(run)).reject(by="ann", reason="too old")

    async def nobody(t: Rig, run: Any) -> None:
        asked = await t.asked(run)
        await t.advance("15d")
        assert [one.case.to for one in await t.all_asked(run)] == [("role:lead",)], "it was escalated"
        assert asked.case.to == ("role:adjuster",)
        await t.advance("7d")

    assert settled(assessed(), ann).decided == "rejected by ann: too old"
    forgotten = settled(assessed(), nobody)
    assert (forgotten.paid, forgotten.decided.partition(":")[0]) == (0, "rejected by deadline")
    assert payments(ledger) == 0


def test_every_claim_that_needs_a_person_has_a_settlement_that_asks(tmp_path: Path) -> None:
    write_claims(tmp_path / "claims.csv", 30, seed=5)

    async def play() -> tuple[int, set[str]]:
        async with app.test() as t:
            run = await t.start(process(str(tmp_path / "claims.csv")))
            report = await run.result()
            asked = await t.all_asked(run)
            waiting = next(line.claims for line in report.outcomes if line.name == "needs a person")
            return waiting, {one.case.action["arguments"]["claim_id"] for one in asked}

    waiting, asked = asyncio.run(play())
    assert len(asked) == waiting > 0
