"""``POST /api/resume/{approval}``: decides by a token that was in a notification, whoever sends it; or by a message
that another system has signed.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import ConfigDict, Discriminator, Field, Tag

from holdfast.approvals.answers import Answer
from holdfast.approvals.case import Case
from holdfast.approvals.case import Person as AtDesk
from holdfast.approvals.tokens import Claims
from holdfast.errors import (
    MessageForged,
    MessageMisplaced,
    MessageRefused,
    TokenMisplaced,
    TokenRefused,
    UnknownApproval,
    UnknownPerson,
)
from holdfast.people import Caller, Message, Person, Scope, Sender
from holdfast.server.access import check
from holdfast.server.house import House, InHouse
from holdfast.server.refusals import ANONYMOUS
from holdfast.server.routes.approvals import ApprovalId, Digest
from holdfast.server.shapes import Asked, Word, problems

router = APIRouter(tags=["approvals"], responses=problems(404, 409, 410))
_Signed = Annotated[str | None, Header(description="Of a signed message, as Standard Webhooks has it.")]


class Resume(Asked):
    """A token, and what its person says."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"token": "eyJhbGciOi…", "answer": {"kind": "approve"}}}
    )

    token: Annotated[str, Field(min_length=1, max_length=8192)]
    answer: Answer


class SignedDecision(Asked):
    """What another system says, as the person whose key signs it. The body is signed as it is sent."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "key": "01kb3w8m6e8q2c5t7v9x1z3b5d", "approval": "4be1fd03c0a2e0c7d2b5", "digest": "9c" * 32,
                "answer": {"kind": "approve", "edits": {"amount": 90}},
            }
        },
    )  # fmt: skip

    key: Annotated[Word, Field(description="The id of the signing key.")]
    approval: Annotated[Word, Field(max_length=500, description="The approval's id, as in the address.")]
    digest: Digest
    answer: Answer


def _kind(asked: Any) -> str:
    """By which of the two something is meant to decide."""
    given = asked.keys() if isinstance(asked, dict) else getattr(type(asked), "model_fields", ())
    return "signed" if "key" in given or "approval" in given else "token"


_Asked = Annotated[
    Annotated[Resume, Tag("token")] | Annotated[SignedDecision, Tag("signed")], Discriminator(_kind)
]  # fmt: skip


@router.post("/api/resume/{approval_id}", response_model=Case)
async def resume(
    house: InHouse, request: Request, approval_id: ApprovalId, asked: _Asked, webhook_id: _Signed = None,
    webhook_timestamp: _Signed = None, webhook_signature: _Signed = None,
) -> Any:  # fmt: skip
    """Decide by a token: it says whose decision it is and of what; it decides once, and nothing but that. Or by a
    message that another system signs after the Standard Webhooks specification, with a key of the person whose decision
    it is: it holds the digest of what was displayed, comes within five minutes, and decides once.
    """
    if isinstance(asked, Resume):
        return await by_token(house, approval_id, asked)
    message = Message(
        id=webhook_id or "", at=webhook_timestamp or "", signatures=webhook_signature or "", body=await request.body()
    )
    return await _by_message(house, approval_id, asked, message)


async def by_token(house: House, approval_id: str, asked: Resume) -> Case:
    """Decide as the person whose token it is.

    Raises:
        UnknownApproval, TokenRefused: as :func:`accepted`.
        DeskRefused: as the desk's ``decide``.
    """
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
        unknown = UnknownApproval("there is no such approval: the link may be cut, or its run was deleted")
        await _audit(house, approval_id, unknown, via="token")
        raise unknown
    try:
        claims = await house.decisions.read(token, approval_id)
        if claims.run != approval.run_id:
            raise TokenMisplaced("this token is for another run than the one that asks")
    except TokenRefused as error:
        await _audit(house, approval_id, error, via="token", run_id=approval.run_id)
        raise
    return claims


async def person_of(house: House, approval_id: str, claims: Claims) -> AtDesk:
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
        await _audit(house, approval_id, refusal, via="token", run_id=claims.run)
        raise refusal from error
    return _at_desk(known, via="token")


def _at_desk(known: Person, *, via: str) -> AtDesk:
    """Somebody, if their roles let them decide things."""
    check(Caller(person=known, scopes=known.scopes, via=via), Scope.DECIDE)
    return AtDesk(name=known.name, roles=known.roles)


async def _by_message(house: House, approval_id: str, asked: SignedDecision, message: Message) -> Case:
    sender = await _sender(house, approval_id, asked, message)
    via = f"message {message.id} of key {sender.key.id}"
    person = _at_desk(sender.person, via=via)
    case = await house.desk.decide(person, approval_id, asked.answer, digest=asked.digest, via=via)
    await house.people.messages.spend(message, sender)
    return case


async def _sender(house: House, approval_id: str, asked: SignedDecision, message: Message) -> Sender:
    """Who has signed a message that may decide this approval; one that may not is audited."""
    actor = ANONYMOUS
    try:
        sender = await house.people.messages.sender(message, asked.key)
        actor = sender.person.name
        if asked.approval != approval_id:
            raise MessageMisplaced("this message is about another approval than the one that it was sent to")
        await house.people.messages.check_new(message, sender)
    except MessageRefused as error:
        via = "message" if isinstance(error, MessageForged) else f"message {message.id} of key {asked.key}"
        await _audit(house, approval_id, error, via=via, actor=actor)
        raise
    return sender


async def _audit(
    house: House, approval_id: str, error: Exception, *, via: str, actor: str = ANONYMOUS, run_id: str = ""
) -> None:
    why = type(error).__name__
    await house.refusals.note("approval.refused", approval_id, actor=actor, run_id=run_id, why=why, via=via)
