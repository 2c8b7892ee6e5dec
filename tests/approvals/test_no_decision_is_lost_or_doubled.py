"""Whatever people, deadlines, cancels and crashes do, and in whatever order: each matter is decided once, the run hears
that, and what is executed is exactly what was decided.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from holdfast import (
    App,
    Approve,
    Approved,
    Case,
    Context,
    DeskRefused,
    Escalate,
    InboxFilter,
    Person,
    Reject,
    Respond,
    RunCancelled,
    ToolContext,
)
from holdfast.testing import Rig, RigRun
from tests.approvals.people import ADA, told

MATTERS = ("c-1", "c-2", "c-3")
PEOPLE = [Person(name=name, roles=frozenset({"adjuster", "lead"})) for name in ("ann", "bob", "cid")]
POINTS = ("claimed", "replayed", "committing", "committed", "effect-begins", "effect-ended", "suspending", "suspended")
LONG = "40d"


@dataclass
class House:
    """An app, and what its tool did."""

    app: App[None] = field(default_factory=lambda: App("house"))
    paid: list[tuple[str, str, float]] = field(default_factory=list)  # key, claim, amount

    def __post_init__(self) -> None:
        @self.app.tool
        async def pay(ctx: ToolContext[None], claim: str, amount: float) -> float:
            self.paid.append((ctx.idempotency_key, claim, amount))
            return amount

        async def ask(ctx: Context, claim: str, **options: Any) -> str:
            decision = await ctx.approve(pay(claim, 100.0).using(key=claim), to="role:adjuster", **options)
            if isinstance(decision, Approved):
                return f"{told(decision)}: {await decision.value:g}"
            return told(decision)

        async def settle(ctx: Context) -> list[str]:
            chain = [Escalate("role:lead", within="1d"), "deny"]
            return list(
                await asyncio.gather(
                    ask(ctx, "c-1", within="2d"),
                    ask(ctx, "c-2", within="1d", on_expire=chain),
                    ask(ctx, "c-3", within="3d", quorum=2),
                )
            )

        self.settle = self.app.agent(settle)


who, which = st.sampled_from(PEOPLE), st.sampled_from(MATTERS)
amount = st.one_of(st.none(), st.sampled_from([1, 2.5, 100]))
acts = st.one_of(
    st.tuples(st.just("approve"), which, who, amount),
    st.tuples(st.just("reject"), which, who),
    st.tuples(st.just("respond"), which, who),
    st.tuples(st.just("reassign"), which, who),
    st.tuples(st.just("wait"), st.sampled_from(["6h", "1d", "2d"])),
    st.tuples(st.just("crash at"), st.sampled_from(POINTS), st.integers(1, 3)),
    st.tuples(st.just("crash")),
    st.tuples(st.just("pause")),
    st.tuples(st.just("cancel")),
)
often = acts.filter(lambda act: act[0] not in ("cancel", "pause"))
at_once = often.filter(lambda act: act[0] != "crash")  # two workers cannot be replaced at once
together = st.lists(at_once, min_size=2, max_size=4).map(lambda some: ("together", *some))
stories = st.lists(st.one_of(often, often, together, acts), max_size=8)


class Story:
    """One run, and what people were told when they decided."""

    def __init__(self, house: House, t: Rig, run: RigRun[list[str]]) -> None:
        self.house, self.t, self.run = house, t, run
        self.decided: dict[str, list[Case]] = {claim: [] for claim in MATTERS}
        self.cancelled = False

    async def do(self, act: tuple[Any, ...]) -> None:
        with contextlib.suppress(DeskRefused):  # it says so, and has changed nothing
            await self._do(*act)

    async def _do(self, what: str, *rest: Any) -> None:
        t, desk = self.t, self.t.inbox
        match what, *rest:
            case ["approve", claim, person, other]:
                await self._decide(claim, person, Approve(edits=None if other is None else {"amount": other}))
            case ["reject", claim, person]:
                await self._decide(claim, person, Reject(reason="no"))
            case ["respond", claim, person]:
                await self._decide(claim, person, Respond(text="why?"))
            case ["reassign", claim, person]:
                await desk.reassign(person, (await self.case(claim)).id, "role:lead")
            case ["wait", span]:
                await t.advance(span)
            case ["crash at", point, nth]:
                t.crash_at(point, nth=nth)
            case ["crash"]:
                await t.quiet()
                await t.crash()
            case ["pause"]:
                await t.quiet()
                await self._pause()
            case ["cancel"]:
                self.cancelled = True
                await self.run.cancel()
            case ["together", *some]:
                await asyncio.gather(*map(self.do, some))

    async def _pause(self) -> None:
        if (await self.run.info()).status.ended or self.cancelled:
            return
        await self.t.pause(self.run.id)
        await self.t.quiet()
        await self.t.resume(self.run.id)

    async def _decide(self, claim: str, person: Person, answer: Any) -> None:
        seen = await self.case(claim)
        after = await self.t.inbox.decide(person, seen.id, answer, digest=seen.digest)
        if after.decision is not None:
            self.decided[claim].append(after)

    async def case(self, claim: str) -> Case:
        every = InboxFilter(states=(), root=self.run.id)
        return next(one for one in await self.t.inbox.inbox(ADA, every) if one.key.endswith(f"#{claim}"))

    async def end(self) -> None:
        """Let all deadlines pass, and hold what came of it against what was decided."""
        try:
            results = dict(zip(MATTERS, await self.run.result(), strict=True))
        except RunCancelled:
            assert self.cancelled, "nobody has cancelled it"
            results = {}
        for claim in MATTERS:
            case = await self.case(claim)
            assert case.state != "pending", "nobody can decide it any more"
            assert len(self.decided[claim]) <= 1, "two people were told that their decision stands"
            self._compare(case, results.get(claim))

    def _compare(self, case: Case, result: str | None) -> None:
        claim = case.key.rpartition("#")[2]
        (mine, *_), (told, *_) = [*self.decided[claim], None], [case.decision]
        if mine is not None:
            assert told == mine.decision, "the decision was lost, or replaced"
        paid = {
            (key, amount) for key, of, amount in self.house.paid if of == claim and key.startswith(f"{self.run.id}/")
        }
        wanted = told.final["arguments"]["amount"] if told is not None and told.state == "approved" else None
        assert paid <= {(f"{self.run.id}/pay#{claim}", wanted)}, "what was paid is not what was decided"
        if result is not None:
            assert told is not None
            assert len(paid) == (wanted is not None), "what was decided was not executed"
            assert result == _expected(told)


def _expected(told: Any) -> str:
    by = ", ".join(told.by)
    match str(told.state):
        case "approved":
            return f"{'edited' if told.edited else 'approved'} by {by}: {told.final['arguments']['amount']:g}"
        case "rejected":
            return f"rejected by {by}: {told.reason}"
        case "responded":
            return f"{by} says {told.text}"
    return "expired"


async def _play(house: House, t: Rig, acts: list[tuple[Any, ...]]) -> None:
    run = await t.start(house.settle())
    await t.quiet()
    story = Story(house, t, run)
    for act in acts:
        await story.do(act)
    await t.quiet()
    await story.end()
    t._plan.clear()


def _tell(house: House, always_suspend: bool, examples: int) -> None:
    with asyncio.Runner() as runner:
        rig = house.app.test(always_suspend=always_suspend)

        unshrunk = (Phase.explicit, Phase.generate)  # races come out otherwise every time
        calm = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]

        @settings(max_examples=examples, phases=unshrunk, suppress_health_check=calm)
        @given(acts=stories)
        @example(acts=[("together", ("approve", "c-1", PEOPLE[0], None), ("reject", "c-1", PEOPLE[1]), ("wait", "2d"))])
        @example(acts=[("crash at", "committed", 1), ("approve", "c-1", PEOPLE[0], 2.5), ("cancel",)])
        def every_story(acts: list[tuple[Any, ...]]) -> None:
            runner.run(_play(house, t, acts))

        t = runner.run(_entered(rig))
        try:
            every_story()
        finally:
            runner.run(_left(rig))


async def _entered(rig: Any) -> Rig:
    return await rig.__aenter__()


def _left(rig: Any) -> Awaitable[Any]:
    return rig.__aexit__(None, None, None)


@pytest.mark.parametrize("always_suspend", [False, True], ids=["in memory", "evicted"])
def test_every_story_ends_well(always_suspend: bool, kind: str) -> None:
    _tell(House(), always_suspend, examples=60 if kind == "sqlite" else 25)


@pytest.mark.soak
@pytest.mark.parametrize("always_suspend", [False, True], ids=["in memory", "evicted"])
def test_every_story_ends_well_for_long(always_suspend: bool) -> None:
    _tell(House(), always_suspend, examples=settings.default.max_examples)
