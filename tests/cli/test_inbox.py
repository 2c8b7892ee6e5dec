"""``holdfast inbox``: what runs ask is seen and decided at a terminal, at a store and at a server alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.counters import ANN, BOB, CID, EVE, Counter, counter_in


@pytest.fixture(scope="module", params=["sqlite", "postgres", "server"])
def counter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    with counter_in(tmp_path_factory.mktemp("counter"), request.param) as counter:
        yield counter


def test_it_lists_the_riskiest_first_to_those_who_are_asked(counter: Counter) -> None:
    calm, risky = counter.asks("settle", '"list-1"', "10", "11"), counter.asks("settle", '"list-2"', "20", "99")
    listed = [case["id"] for case in counter.inside(ANN, "inbox", "list", "--json").json["approvals"]]
    assert listed.index(risky["id"]) < listed.index(calm["id"])
    text = counter(ANN, "inbox", "list", "--min-risk", "99")
    assert text.code == 0
    assert "pay(amount=20.0, claim=list-2)" in text.out
    assert "role:adjuster" in text.out
    found = counter(
        "ann", "inbox", "list", "--json", "--agent", "settle", "--risk-below", "12", "--min-risk", "11"
    ).json
    assert [case["id"] for case in found["approvals"]] == [calm["id"]]
    decided = counter.inside(ANN, "inbox", "list", "--status", "approved", "--run", calm["run_id"], "--json").json
    assert decided == {"approvals": []}


def test_it_shows_one_with_what_surrounds_it_and_steers_no_terminal(counter: Counter) -> None:
    case = counter.asks("settle", '"show-1"', "90")
    shown = counter(ANN, "inbox", "show", case["id"])
    assert shown.code == 0
    for part in (case["id"], case["digest"][:12], "role:adjuster", "show-1 was damaged\\x1b[2J", "0.8", "amount: 90"):
        assert part in shown.out
    assert "\x1b" not in shown.out
    context = counter.inside(ANN, "inbox", "show", case["id"], "--json").json
    assert context["case"]["schema"]["properties"].keys() == {"claim", "amount"}
    assert context["journal"][0]["kind"] == "step"


def test_approved_it_is_executed_once_and_the_run_goes_on(counter: Counter) -> None:
    case = counter.asks("settle", '"yes-1"', "90")
    said = counter(ANN, "inbox", "approve", case["id"])
    assert (said.code, said.out) == (0, f"{case['id']} is approved: pay(amount=90.0, claim=yes-1)\n")
    assert counter.result(case) == "paid 90, approved by ann"
    assert counter.paid.count("paid yes-1 90") == 1
    again = counter.inside(BOB, "inbox", "approve", case["id"], "--json")
    assert again.code == 5
    assert again.problem["error"] == "AlreadyDecided"
    assert "ann" in again.problem["message"]


def test_approved_with_changes_the_changed_call_is_executed(counter: Counter) -> None:
    case = counter.asks("settle", '"edit-1"', "90")
    refused = counter.inside(ANN, "inbox", "approve", case["id"], "--edit", "amount=lots")
    assert refused.code == 5
    assert "$.amount" in refused.err
    said = counter.inside(ANN, "inbox", "approve", case["id"], "--edit", "amount=45.5", "--json").json
    assert said["decision"]["edited"]
    assert counter.result(case) == "paid 45.5, approved by ann"
    assert [line for line in counter.paid if "edit-1" in line] == ["paid edit-1 45.5"]


def test_rejected_or_answered_in_words_nothing_is_executed(counter: Counter) -> None:
    first, second = counter.asks("settle", '"no-1"', "1"), counter.asks("settle", '"no-2"', "1")
    assert counter(ANN, "inbox", "reject", first["id"], "--reason", "too much").code == 0
    assert counter(BOB, "inbox", "respond", second["id"], "--text", "ask the broker").code == 0
    assert counter.result(first) == "rejected by ann: too much"
    assert counter.result(second) == "told: ask the broker"
    assert not [line for line in counter.paid if "no-" in line]
    assert counter.inside(ANN, "inbox", "reject", first["id"], "--reason", "").code == 2


def test_a_question_is_answered_and_a_value_replaced(counter: Counter) -> None:
    question, plan = counter.asks("count"), counter.asks("plan")
    assert counter.inside(ANN, "inbox", "approve", question["id"], "--value", '"many"').code == 5
    assert counter.inside(ANN, "inbox", "approve", question["id"], "--value", "3").code == 0
    assert counter.inside(ANN, "inbox", "approve", plan["id"], "--edit", 'steps=["dry","wait"]').code == 0
    assert counter.result(question) == 3
    assert counter.result(plan) == "dry then wait"


def test_what_is_not_theirs_cannot_be_seen_or_decided(counter: Counter) -> None:
    counter.direct("people", "add", "eve", "--role", "reviewer")
    case = counter.asks("settle", '"eve-1"', "1")
    if counter.tokens and "eve" not in counter.tokens:
        counter.tokens["eve"] = counter.direct("tokens", "new", "eve", "--scope", "decide").out.strip()
    assert counter.inside(EVE, "inbox", "list", "--json").json == {"approvals": []}
    refused = counter.inside(EVE, "inbox", "approve", case["id"], "--json")
    assert refused.code == 5
    assert refused.problem["error"] == "NotAllowed"
    trail = counter(CID, "inbox", "why", case["id"], "--json").json["entries"]
    assert ("eve", "approval.refused") in [(entry["actor"], entry["action"]) for entry in trail]


def test_several_have_to_agree(counter: Counter) -> None:
    case = counter.asks("settle", '"two-1"', "5", "10", "2")
    assert "1 of 2 approve" in counter.inside(ANN, "inbox", "approve", case["id"]).out
    assert counter.inside(ANN, "inbox", "show", case["id"], "--json").json["case"]["state"] == "pending"
    assert counter.inside(BOB, "inbox", "approve", case["id"]).code == 0
    assert counter.result(case) == "paid 5, approved by ann, bob"


def test_it_is_refused_if_they_were_shown_something_else(counter: Counter) -> None:
    case = counter.asks("settle", '"moved-1"', "5", "10", "2")
    assert (
        counter.inside(ANN, "inbox", "approve", case["id"], "--edit", "amount=4", "--digest", case["digest"][:8]).code
        == 0
    )
    late = counter.inside(BOB, "inbox", "approve", case["id"], "--digest", case["digest"], "--json")
    assert (late.code, late.problem["error"]) == (5, "WrongDigest")
    now = counter.inside(BOB, "inbox", "show", case["id"], "--json").json["case"]
    assert now["action"]["arguments"]["amount"] == 4
    assert now["original"]["arguments"]["amount"] == 5
    assert counter.inside(BOB, "inbox", "approve", case["id"], "--digest", now["digest"][:12]).code == 0
    assert counter.result(case) == "paid 4, approved by ann, bob"


def test_many_are_decided_at_once_each_recorded_singly(counter: Counter) -> None:
    calm = [counter.asks("settle", f'"many-{n}"', "1", str(40 + n)) for n in range(3)]
    risky = counter.asks("settle", '"many-9"', "1", "49")
    query = ("--all", "--agent", "settle", "--min-risk", "40", "--risk-below", "49")
    dry = counter.inside(ANN, "inbox", "approve", *query, "--dry-run", "--json").json
    assert dry == {"dry_run": True, "matched": 3, "first": [case["id"] for case in reversed(calm)]}
    unasked = counter.inside(ANN, "inbox", "approve", *query)
    assert unasked.code == 2
    assert "3 approvals match" in unasked.err
    done = counter.inside(ANN, "inbox", "approve", *query, "--yes", "--json").json
    assert done["decided"] == 3
    for case in calm:
        assert counter.result(case) == "paid 1, approved by ann"
        trail = counter.inside(ANN, "inbox", "why", case["id"], "--json").json["entries"]
        assert [entry["actor"] for entry in trail if entry["action"] == "approval.approved"] == ["ann"]
    assert counter(ANN, "inbox", "show", risky["id"], "--json").json["case"]["state"] == "pending"
    both = counter.inside(ANN, "inbox", "reject", risky["id"], calm[0]["id"], "--reason", "no", "--json")
    assert both.code == 5
    assert [one["problem"] and one["problem"]["error"] for one in both.json["outcomes"]] == [None, "AlreadyDecided"]


@pytest.mark.parametrize(
    "wrong",
    [
        ("approve",), ("approve", "x", "--all"), ("approve", "x", "--agent", "a"), ("approve", "x", "--edit", "amount"),
        ("reject", "--all"), ("list", "--status", "sleeping"), ("delegate",), ("delegate", "--standing", "pay"),
        ("delegate", "--standing", "pay", "--at-most", "amount=x"), ("delegate", "x", "--list"),
        ("approve", "x", "y", "--digest", "00000000"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_and_does_nothing(counter: Counter, wrong: tuple[str, ...]) -> None:
    assert counter.inside(ANN, "inbox", *wrong).code == 2


def test_one_that_is_not_there(counter: Counter) -> None:
    for verb in (("show",), ("approve",), ("why",), ("edit",), ("reject", "--reason", "x")):
        assert counter.inside(CID, "inbox", verb[0], "nothing", *verb[1:]).code == 3, verb


def test_it_is_handed_on(counter: Counter) -> None:
    case = counter.asks("settle", '"hand-1"', "1")
    said = counter(ANN, "inbox", "delegate", case["id"], "--to", "cid", "--why", "yours")
    assert (said.code, said.out) == (0, f"{case['id']} is asked of cid now\n")
    assert counter.inside(BOB, "inbox", "approve", case["id"]).code == 5
    assert "from role:adjuster to cid by ann" in counter.inside(CID, "inbox", "show", case["id"]).out


def test_standing_approvals_are_made_listed_used_and_revoked(counter: Counter) -> None:
    limits = ("--at-most", "amount=7", "--total", "amount=10", "--per", "1d", "--lasts", "30d", "--agent", "settle")
    made = counter.inside(ANN, "inbox", "delegate", "--standing", "pay", *limits, "--json").json
    said = counter.direct("start", "counter:app", "settle", '"stand-1"', "6", "--wait")
    assert said.code == 0, said
    assert f"paid 6, approved by standing:{made['id']}" in said.out
    over = counter.asks("settle", '"stand-2"', "6")
    assert over["state"] == "pending"
    assert "sum of amount<=6" in counter.inside(ANN, "inbox", "delegate", "--list").out
    assert counter.inside(BOB, "inbox", "delegate", "--list", "--json").json == {"standing": []}
    assert counter.inside(BOB, "inbox", "delegate", "--revoke", made["id"]).code == 5
    assert counter.inside(ANN, "inbox", "delegate", "--revoke", made["id"]).code == 0
    assert counter.inside(ANN, "inbox", "delegate", "--list", "--json").json == {"standing": []}
    assert counter.inside(ANN, "inbox", "delegate", "--revoke", made["id"]).code == 3


def test_a_server_knows_people_by_their_tokens_and_a_store_by_their_word(counter: Counter) -> None:
    said = counter.inside(ANN, "inbox", "list", "--by", "cid")
    assert said.code == (2 if counter.tokens else 0)
    assert ("token" in said.err) == bool(counter.tokens)
