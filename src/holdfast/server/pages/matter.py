"""One case: what the reviewer sees of it, and how they decide it. What is typed is never lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from holdfast import codec
from holdfast.approvals.answers import Approve, Reject, Respond
from holdfast.approvals.case import Case
from holdfast.approvals.request import SUBJECTS
from holdfast.clock import to_datetime
from holdfast.errors import AlreadyDecided, ApprovalOver, BadOption, EditRefused, NotAllowed, NotFound, WrongDigest
from holdfast.people import Caller
from holdfast.records.approval import ApprovalState
from holdfast.records.journal import Kind
from holdfast.server.house import House, InHouse
from holdfast.server.pages import fields, words
from holdfast.server.pages.inbox import reviewer
from holdfast.server.pages.rendering import PageRoute, page
from holdfast.server.routes.approvals import ApprovalId
from holdfast.server.sight import at_desk
from holdfast.wire.problems import sort_of

_BARE = (Kind.FIRED, Kind.CANCEL, Kind.MARK)  # their values are not packed
router = APIRouter(route_class=PageRoute)


@dataclass(kw_only=True)
class Attempt:
    """What somebody sent, and what is wrong with it."""

    form: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    wrong: dict[str, str] = field(default_factory=dict)
    status: int = 200
    unread: bool = False  # it was refused before the desk, which audits what it refuses, saw it

    @property
    def do(self) -> str:
        """What they wanted to do."""
        return str(self.form.get("do", ""))

    def text(self, name: str) -> str:
        """What they typed under a name."""
        return str(self.form.get(name, "")).replace("\r\n", "\n")


@router.get("/inbox/{approval_id}")
async def show(house: InHouse, request: Request, approval_id: ApprovalId) -> Response:
    """The case, and what surrounds it."""
    return await _page(house, await reviewer(house, request), approval_id, Attempt())


@router.get("/inbox/{approval_id}/entries/{seq}")
async def show_entry(
    house: InHouse, request: Request, approval_id: ApprovalId, seq: Annotated[int, Path(ge=1, le=2**53)]
) -> Response:
    """A value of the journal as a whole."""
    who = await reviewer(house, request)
    case = await house.desk.case(at_desk(who), approval_id, shown=False)
    found = await house.store.journal(case.run_id, after=seq - 1, limit=1)
    if not found or found[0].seq != seq:
        raise NotFound(f"run {case.run_id} has no journal entry {seq}: it may have begun again")
    note, value = _legible(found[0].note), _legible(found[0].value, bare=found[0].kind in _BARE)
    return page("entry.html", who=who, case=case, entry=found[0], note=note, value=value)


@router.post("/inbox/{approval_id}")
async def decide(house: InHouse, request: Request, approval_id: ApprovalId) -> Response:
    """Do what the person says, or say why not, with all that they typed."""
    who = await reviewer(house, request)
    attempt = Attempt(form={name: str(value) for name, value in (await request.form()).items()})
    case = await house.desk.case(at_desk(who), approval_id, shown=False)
    try:
        await _done(house, who, case, attempt)
    except EditRefused as error:
        place = fields.place_of(error.path, fields.fields_of(case))
        attempt.status, attempt.problem = 422, str(error)
        attempt.wrong = {} if place is None else {place: str(error)}
    except (WrongDigest, AlreadyDecided, ApprovalOver, NotAllowed, BadOption) as error:
        attempt.status, attempt.problem = sort_of(error).status, str(error)
    if attempt.unread:
        said = "; ".join(f"{name}: {wrong}" for name, wrong in attempt.wrong.items()) or attempt.problem
        await house.refusals.request(request.scope, "Invalid", said)
    if attempt.problem:
        return await _page(house, who, approval_id, attempt)
    return RedirectResponse("/inbox?done=1" if attempt.do == "reassign" else f"/inbox/{approval_id}", 303)


async def _done(house: House, who: Caller, case: Case, attempt: Attempt) -> None:
    displayed = attempt.text("digest") or "none"
    if attempt.do == "reassign":
        others = [one.strip() for one in attempt.text("to").split(",") if one.strip()]
        note = attempt.text("why").strip()[:2000]
        await house.desk.reassign(at_desk(who), case.id, others, why=note, digest=displayed)
    elif (answer := _answer(case, attempt)) is not None:
        await house.desk.decide(at_desk(who), case.id, answer, digest=displayed, via="web")


def _answer(case: Case, attempt: Attempt) -> Approve | Reject | Respond | None:
    """What they say; None if it does not fit, which the attempt tells then."""
    try:
        answer = _said(case, attempt)
    except ValidationError as error:
        answer = None
        attempt.wrong = {str(error.errors()[0]["loc"][0]): "write something, and not too much: the agent is told"}
    if answer is None:
        attempt.status, attempt.unread = 422, True
        attempt.problem = attempt.problem or "nothing was done: " + (
            "see below" if attempt.wrong else "choose what to do"
        )
    return answer


def _said(case: Case, attempt: Attempt) -> Approve | Reject | Respond | None:
    match attempt.do:
        case "approve" | "edit":
            return _approval(case, attempt)
        case "reject":
            return Reject(reason=attempt.text("reason").strip())
        case "respond":
            return Respond(text=attempt.text("text").strip())
        case _:
            return None


def _approval(case: Case, attempt: Attempt) -> Approve | None:
    # A case that moved on is refused by its digest: the fields are read as those of what it is now all the same.
    shown = fields.typed(fields.fields_of(case), attempt.form)
    moved = attempt.text("digest") != case.digest or case.state is not ApprovalState.PENDING
    if attempt.do == "approve" and not moved and any(one.changed for one in shown):
        attempt.problem = "nothing was done: you changed something. Approve with your changes, or take them back"
        return None
    if attempt.do == "approve" or moved:
        return Approve()
    whole = shown[0].name == fields.WHOLE
    found, attempt.wrong = fields.read(shown, all=whole or case.kind == "question")
    if attempt.wrong:
        return None
    if whole:
        return Approve(value=found[fields.WHOLE])
    return Approve(value=found) if case.kind == "question" else Approve(edits=found)


async def _page(house: House, who: Caller, approval_id: str, attempt: Attempt) -> Response:
    person = at_desk(who)
    trail = await house.desk.why(person, approval_id)
    context = await house.desk.context(person, approval_id)
    case = context.case
    form = fields.with_errors(fields.typed(fields.fields_of(case), attempt.form), attempt.wrong)
    subject = case.action.get(SUBJECTS[case.kind])
    return page(
        "case.html", who=who, status=attempt.status, case=case, context=context, trail=trail, attempt=attempt,
        fields=form, now=to_datetime(house.clock.now()), parts=fields.described(case.schema_, subject), subject=subject,
        was=_original(case), moved=_moved(case) if attempt.status == 409 else "", typed=_typed(attempt),
        prefix=fields.PREFIX, waiting=[key for key in context.waiting if key != case.key],
    )  # fmt: skip


def _legible(stored: bytes | None, *, bare: bool = False) -> str:
    plain = stored if bare or not stored else codec.unpack(stored)
    return (plain or b"").decode("utf-8", "replace")


def _original(case: Case) -> Any:
    return None if case.original is None else case.original.get(SUBJECTS[case.kind])


def _moved(case: Case) -> str:
    """What has become of a case meanwhile, in words."""
    if (told := case.decision) is not None:
        return f"It was {told.state} by {', '.join(told.by) or 'its deadline'} at {words.exact(told.at)}."
    if case.votes:
        return f"It was changed by {case.votes[-1].by} at {words.exact(case.votes[-1].at)}. This is what it is now."
    return "It is another now. This is what it is."


def _typed(attempt: Attempt) -> dict[str, str]:
    """What was typed, for those who have to take it elsewhere."""
    names = {"reason": "reason", "text": "response", "to": "to", "why": "why"}
    found = {
        names.get(name, name.removeprefix(fields.PREFIX)) or "value": attempt.text(name)
        for name in attempt.form
        if name in names or (name.startswith(fields.PREFIX) and not name.endswith(":there"))
    }
    return {name: text for name, text in found.items() if text}
