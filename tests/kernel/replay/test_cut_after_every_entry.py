"""Whatever part of a run is recorded, the rest comes out as if nothing had happened.

The whole store is cut: parents, children and promises together, after every entry and item of every run. Nothing that
is recorded runs again, everything else runs once, and the body observes the same, at the same instants.
"""

from __future__ import annotations

import asyncio

import pytest

from holdfast import Context, OutcomeUnknown
from holdfast.records.journal import Kind
from holdfast.testing.rig import ALWAYS_SUSPEND
from tests.kernel.replay import tell
from tests.kernel.replay.bodies import app, cases
from tests.kernel.replay.cutting import Cut, Places, continued, cut_everywhere, cuts, undisturbed
from tests.kernel.replay.recorder import Commit
from tests.kernel.replay.world import ROOT, Case, World


@pytest.mark.parametrize("name", cases)
def test_cut_anywhere_it_ends_the_same(name: str, places: Places) -> None:
    story = cut_everywhere(app, places, cases[name])
    assert len(list(cuts(story.log))) > 3
    assert story.account.results[ROOT][0] == tell.golden()[name]["status"]


def test_also_when_runs_leave_memory_at_every_wait(all_places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALWAYS_SUSPEND, "1")
    cut_everywhere(app, all_places, cases["everything"])


@app.tool(effect="at_most_once")
async def post(letter: str) -> str:
    await World.current.stage.perform(1)
    return f"posted {letter}"


@app.agent
async def posting(ctx: Context) -> str:
    try:
        return await post("a letter")
    except OutcomeUnknown:
        return "nobody knows"


def test_what_must_happen_at_most_once_is_not_begun_again_after_its_intent(all_places: Places) -> None:
    async def both() -> None:
        first = await undisturbed(app, all_places, Case(call=posting))
        intent = next(i for i, op in enumerate(first.log) if isinstance(op, Commit) and op.delta.entries)
        assert isinstance(op := first.log[intent], Commit) and op.delta.entries[0].kind is Kind.INTENT
        before = await continued(app, all_places, first, Cut(intent))
        after = await continued(app, all_places, first, Cut(intent + 1))
        assert first.account.results[ROOT] == before.account.results[ROOT] == ("succeeded", b'"posted a letter"')
        assert after.account.results[ROOT] == ("succeeded", b'"nobody knows"')
        assert [len(story.stage.begun) for story in (first, before, after)] == [1, 1, 0]

    asyncio.run(both())
