"""``POST /api/resume/{approval}``: decides by a token that was in a notification, whoever sends it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from holdfast import codec
from holdfast.approvals.answers import Answer
from holdfast.approvals.case import Case, Person
from holdfast.approvals.tokens import Claims
from holdfast.errors import ScopeMissing, TokenMisplaced, TokenRefused, UnknownApproval, UnknownPerson
from holdfast.people import Caller, Scope
from holdfast.records.approval import AuditEntry
from holdfast.server.access import check
from holdfast.server.house import House, InHouse
from holdfast.server.routes.approvals import ApprovalId
from holdfast.server.shapes import Asked, problems

router = APIRouter(tags=["approvals"], responses=problems(404, 409, 410))


class Resume(Asked):
    """A token, and what its person says."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"token": "eyJhbGciOi…", "answer": {"kind": "approve"}}}
    )

    token: Annotated[str, Field(min_length=1, max_length=8192)]
    answer: Answer


@router.post("/api/resume/{approval_id}", response_model=Case)
async def resume(house: InHouse, approval_id: ApprovalId, asked: Resume) -> Any:
    """Decide by a token. It says whose decision it is and of what; it decides once, and nothing but that."""
    claims = await accepted(house, approval_id, asked.token)
    person = await person_of(house, approval_id, claims)
    case = await house.desk.decide(person, approval_id, asked.answer, digest=claims.digest, via="token")
    await house.decisions.spend(claims)
    return case


async def accepted(house: House, approval_id: str, token: str) -> Claims:
    """What a token says, if it may decide this approval; one that may not is audited.

    Raises:
        UnknownApproval: there is no such approval.
        TokenRefused: it was forged, has expired, was used, or is for something else.
    """
    approval = await house.store.approval(approval_id)
    if approval is None:
        raise UnknownApproval("there is no such approval: the link may be cut, or its run was deleted")
    try:
        claims = await house.decisions.read(token, approval_id)
        if claims.run != approval.run_id:
            raise TokenMisplaced("this token is for another run than the one that asks")
    except TokenRefused as error:
        await _audit(house, approval_id, approval.run_id, error)
        raise
    return claims


async def person_of(house: House, approval_id: str, claims: Claims) -> Person:
    """Whose token it is, if they may decide things.

    Raises:
        TokenMisplaced: they are not known any more.
        ScopeMissing: their roles do not let them.
    """
    try:
        known = await house.people.get(claims.person)
        if claims.issued_at < known.created_at:
            raise UnknownPerson(f"somebody else has the name {claims.person} now")
    except UnknownPerson as error:
        refusal = TokenMisplaced(f"{claims.person}, whose token this is, is not known any more")
        await _audit(house, approval_id, claims.run, refusal)
        raise refusal from error
    person = Person(name=known.name, roles=known.roles)
    try:
        check(Caller(person=known, scopes=known.scopes, via="token"), Scope.DECIDE)
    except ScopeMissing as error:
        await house.store.audit([house.desk.refusal(person, approval_id, None, error, "token")])
        raise
    return person


async def _audit(house: House, approval_id: str, run_id: str, error: TokenRefused) -> None:
    detail = {"why": type(error).__name__, "via": "token"}
    entry = AuditEntry(
        at=house.clock.now(), actor="anonymous", action="approval.refused", subject=approval_id, run_id=run_id,
        detail=codec.pack(codec.canonical(detail)),
    )  # fmt: skip
    await house.store.audit([entry])
