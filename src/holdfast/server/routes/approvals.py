"""``/api/approvals``: what people are asked, and what they say; ``/api/standing``: what they approve in advance."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from holdfast.approvals.answers import Answer
from holdfast.approvals.case import Audited, Case, CaseContext, InboxFilter, Outcome
from holdfast.approvals.standing import Standing
from holdfast.errors import HoldfastError
from holdfast.records.approval import ApprovalState
from holdfast.server.access import Decider
from holdfast.server.house import InHouse
from holdfast.server.problems import problem_json
from holdfast.server.shapes import Asked, Done, InPath, Text, Told, Word, problems
from holdfast.server.sight import at_desk

router = APIRouter(tags=["approvals"], responses=problems(404, 409, 410))
ApprovalId = Annotated[InPath, Path(description="An approval's id.", max_length=500)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="`digest` of the case as it was displayed.")]


class _Which(Asked):
    state: list[ApprovalState] = Field([ApprovalState.PENDING], max_length=10)
    run: Word | None = None
    root: Word | None = Field(None, description="Asked by any run of this tree.")
    agent: Word | None = None
    tool: Word | None = None
    min_risk: int = Field(0, ge=0, le=100)
    due_before: AwareDatetime | None = None

    def filter(self, *, limit: int = 100, after: str | None = None) -> InboxFilter:
        return InboxFilter(
            states=tuple(self.state), run_id=self.run, root=self.root, agent=self.agent, tool=self.tool,
            min_risk=self.min_risk, due_before=self.due_before, limit=limit, after=after,
        )  # fmt: skip


class _Page(_Which):
    limit: int = Field(100, ge=1, le=500)
    cursor: Word | None = Field(None, description="`next` of the page before.")


class _Entries(Asked):
    entries: int = Field(50, ge=0, le=1000, description="How many entries of the journal.")


class Cases(Told):
    """A page of cases: the riskiest first, of these the oldest first."""

    approvals: list[Case]
    next: str | None


class Decision(Asked):
    """What somebody says, of what they were shown."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"answer": {"kind": "approve", "edits": {"amount": 90}}, "digest": "9c" * 32}},
    )

    answer: Answer
    digest: Digest


class Batch(Asked):
    """What somebody says of many: of all that match, or of those named, best with what was shown of them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"which": {"tool": "pay"}, "answer": {"kind": "reject", "reason": "too late"}}},
    )

    answer: Answer
    which: _Which | None = None
    ids: list[Word] | None = Field(None, min_length=1, max_length=10_000)
    shown: dict[Word, Digest] | None = Field(
        None, min_length=1, max_length=10_000, description="Ids, each with the digest of the case as it was displayed."
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if [self.which, self.ids, self.shown].count(None) != 2:
            raise ValueError("give which, ids, or shown")
        return self


class OutcomeShape(Told):
    """What became of one of many."""

    id: str
    state: ApprovalState | None = None
    problem: dict[str, Any] | None = Field(None, description="Why nothing was done: a problem document.")


class Outcomes(Told):
    """What became of each."""

    outcomes: list[OutcomeShape]


class Reassign(Asked):
    """Who is to decide instead."""

    to: list[Word] = Field(min_length=1, max_length=50, examples=[["role:lead", "ann"]])
    why: Text = ""
    digest: Digest | None = None


class Trail(Told):
    """The audit trail of a case."""

    entries: list[Audited]


class Standings(Told):
    """Standing approvals."""

    standing: list[Standing]


@router.get("/api/approvals", response_model=Cases)
async def list_approvals(who: Decider, house: InHouse, which: Annotated[_Page, Query()]) -> Any:
    """What the caller is asked: those cases that they may see."""
    found = await house.desk.inbox(at_desk(who), which.filter(limit=which.limit, after=which.cursor))
    following = house.desk.cursor(found[-1]) if len(found) == which.limit else None
    return {"approvals": found, "next": following}


@router.post("/api/approvals/decisions", response_model=Outcomes)
async def decide_all(who: Decider, house: InHouse, asked: Batch) -> Any:
    """Decide many at once; each is recorded singly, and one that is refused keeps back none of the others."""
    which = asked.ids or asked.shown if asked.which is None else asked.which.filter()
    assert which is not None, "the shape wants one of them"
    outcomes = await house.desk.decide_all(at_desk(who), which, asked.answer, via=f"api {who.via}")
    return {"outcomes": [_outcome_json(one) for one in outcomes]}


@router.get("/api/approvals/{approval_id}", response_model=Case)
async def get_approval(who: Decider, house: InHouse, approval_id: ApprovalId) -> Any:
    """A case. That it was shown, and what, is audited."""
    return await house.desk.case(at_desk(who), approval_id)


@router.get("/api/approvals/{approval_id}/context", response_model=CaseContext)
async def get_context(who: Decider, house: InHouse, approval_id: ApprovalId, how: Annotated[_Entries, Query()]) -> Any:
    """What surrounds a case: the run's recent journal, its files, and what else waits."""
    return await house.desk.context(at_desk(who), approval_id, entries=how.entries)


@router.get("/api/approvals/{approval_id}/trail", response_model=Trail)
async def get_trail(who: Decider, house: InHouse, approval_id: ApprovalId) -> Any:
    """Who was asked and shown what, who decided, and who tried."""
    return {"entries": await house.desk.why(at_desk(who), approval_id)}


@router.post("/api/approvals/{approval_id}/decision", response_model=Case)
async def decide(who: Decider, house: InHouse, approval_id: ApprovalId, asked: Decision) -> Any:
    """Decide a case; the run goes on with that. An approval short of the quorum is a vote, and the case stays open."""
    return await house.desk.decide(
        at_desk(who), approval_id, asked.answer, digest=asked.digest, via=f"api {who.via}"
    )  # fmt: skip


@router.post("/api/approvals/{approval_id}/reassignment", response_model=Case)
async def reassign(who: Decider, house: InHouse, approval_id: ApprovalId, asked: Reassign) -> Any:
    """Hand a case to others: its deadline stays, votes too."""
    return await house.desk.reassign(at_desk(who), approval_id, asked.to, why=asked.why, digest=asked.digest)


@router.get("/api/standing", response_model=Standings)
async def list_standing(who: Decider, house: InHouse) -> Any:
    """The standing approvals that the caller has made; an admin sees all."""
    return {"standing": await house.desk.standing(at_desk(who))}


@router.post("/api/standing", response_model=Standing, status_code=201)
async def grant(who: Decider, house: InHouse, asked: Standing) -> Any:
    """Make a standing approval. What the desk gives (id, by, roles, use) is ignored."""
    return await house.desk.grant(at_desk(who), asked)


@router.delete("/api/standing/{standing_id}", response_model=Done)
async def revoke(who: Decider, house: InHouse, standing_id: Annotated[InPath, Path(max_length=200)]) -> Any:
    """End a standing approval now."""
    await house.desk.revoke(at_desk(who), standing_id)
    return {"done": True}


def _outcome_json(one: Outcome) -> dict[str, Any]:
    if isinstance(one.error, HoldfastError):
        return {"id": one.id, "problem": problem_json(f"/api/approvals/{one.id}", one.error)}
    return {"id": one.id, "state": None if one.case is None else one.case.state}
