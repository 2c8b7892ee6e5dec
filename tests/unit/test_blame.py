"""Which recorded failure made a run fail: found through causes, contexts and groups, in whatever way they are tied."""

from __future__ import annotations

from holdfast import StepFailed
from holdfast.durable.blame import blamed


def failure(seq: int) -> StepFailed:
    failed = StepFailed("step#1", "ValueError", "no")
    failed.seq = seq
    return failed


def raised_from(error: BaseException, behind: BaseException) -> BaseException:
    error.__context__ = behind
    return error


def test_the_failure_itself_and_what_stands_behind_an_error() -> None:
    assert blamed(failure(3)) == 3
    assert blamed(raised_from(ValueError(), raised_from(KeyError(), failure(4)))) == 4
    assert blamed(ValueError()) is None


def test_of_a_group_the_first_that_was_observed() -> None:
    assert blamed(ExceptionGroup("both", [failure(5), ValueError(), failure(2)])) == 2


def test_an_error_that_was_taken_out_of_a_group_and_raised() -> None:
    """As task groups' users do: the group is what was being handled, and holds the error itself."""
    error = ValueError()
    assert blamed(raised_from(error, ExceptionGroup("one", [error]))) is None
    other = ValueError()
    assert blamed(raised_from(other, ExceptionGroup("two", [other, failure(7)]))) == 7
