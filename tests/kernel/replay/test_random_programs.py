"""Programs that nobody thought of: cut anywhere, evicted, crashed, they come out the same."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.kernel.replay.bodies import app
from tests.kernel.replay.cutting import Places, check, continued, crashing, cuts, undisturbed
from tests.kernel.replay.programs import Program, program_case, programs

Disturbance = Literal["cut", "evict", "crash"]
FEW = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY = settings(deadline=None, suppress_health_check=list(HealthCheck))  # as many as the profile says
drawn = given(
    code=programs(),
    how=st.sampled_from(["cut", "cut", "evict", "crash"]),
    where=st.integers(0, 1000),
    lasting=st.booleans(),
)


async def comes_out_the_same(code: Program, how: Disturbance, where: int, lasting: bool, places: Places) -> None:
    case, linger = program_case(code), 60.0 if lasting else 0.0
    first = await undisturbed(app, places, case, linger=60.0)
    if how == "cut":
        all_cuts = list(cuts(first.log))
        cut = all_cuts[where % len(all_cuts)]
        note(f"{cut} of {len(first.log)}")
        check(first, await continued(app, places, first, cut, linger=linger), cut)
        return
    disturbed = crashing if how == "crash" else undisturbed
    again = await disturbed(app, places, case, linger=0.0 if how == "evict" else linger)
    assert again.account == first.account
    assert again.stage.repeated == []


@FEW
@drawn
def test_a_few_programs(places: Places, code: Program, how: Disturbance, where: int, lasting: bool) -> None:
    asyncio.run(comes_out_the_same(code, how, where, lasting, places))


@pytest.mark.soak
@MANY
@drawn
def test_many_programs(places: Places, code: Program, how: Disturbance, where: int, lasting: bool) -> None:
    asyncio.run(comes_out_the_same(code, how, where, lasting, places))
