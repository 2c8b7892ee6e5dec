"""The digest that a decision is bound by: canonical, and different for whatever is different."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.approvals.binding import digest_of
from holdfast.errors import NotStorable

text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(
    ["\0", "\0i1", "\0finf"]
)
numbers = st.integers() | st.sampled_from([2**53, -(2**53), 2**53 - 1, 2**64]) | st.floats(allow_nan=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


@given(values, values)
def test_different_values_have_different_digests(one: object, other: object) -> None:
    same = digest_of("a", "r", "k", one) == digest_of("a", "r", "k", other)
    if json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True):
        assert same
    elif one != other:  # 1 and 1.0 are written alike, as in JavaScript
        assert not same


def test_true_is_not_one_and_a_number_is_not_its_text() -> None:
    each = [True, 1, "1", 2**64, str(2**64), f"\0i{2**64:x}", float("inf"), "inf", "\0finf"]
    assert len({digest_of("a", "r", "k", one) for one in each}) == len(each)


@given(values)
def test_it_is_the_same_after_a_way_through_the_store(value: object) -> None:
    assert digest_of("a", "r", "k", json.loads(json.dumps(value))) == digest_of("a", "r", "k", value)


def test_it_is_of_one_approval_one_run_and_one_key() -> None:
    digests = {
        digest_of(*names, {"tool": "pay"})
        for names in (("a", "r", "k"), ("b", "r", "k"), ("a", "s", "k"), ("a", "r", "l"))
    }
    assert len(digests) == 4


@pytest.mark.parametrize("value", ["\ud800", {1, 2}, b"x", {1: 2}])
def test_what_is_no_json_value_is_refused(value: object) -> None:
    with pytest.raises(NotStorable):
        digest_of("a", "r", "k", value)


def test_the_order_of_names_does_not_matter() -> None:
    assert digest_of("a", "r", "k", {"x": 1, "y": 2}) == digest_of("a", "r", "k", {"y": 2, "x": 1})
