"""Links in notifications: they open a page that asks. A scanner that follows one changes nothing: a button does."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from holdfast.approvals.answers import Answer, Approve, Reject
from holdfast.approvals.request import SUBJECTS
from holdfast.clock import to_datetime
from holdfast.errors import TokenRefused
from holdfast.records.approval import ApprovalState
from holdfast.server.house import House, InHouse
from holdfast.server.pages import fields
from holdfast.server.pages.login import from_here
from holdfast.server.pages.rendering import PageRoute, page, sorry
from holdfast.server.problems import Refused, note
from holdfast.server.refusals import ANONYMOUS
from holdfast.server.routes.approvals import ApprovalId
from holdfast.server.routes.resume import Resume, accepted, by_token, person_of

router = APIRouter(route_class=PageRoute)


@router.get("/confirm/{approval_id}")
async def ask(house: InHouse, approval_id: ApprovalId, token: Annotated[str, Query(max_length=8192)] = "") -> Response:
    """What would be decided: nothing has happened yet."""
    return await _page(house, approval_id, token, opened=True)


@router.get("/confirmed/{state}")
async def confirmed(state: ApprovalState) -> Response:
    """What was said is recorded."""
    return page("confirmed.html", state=str(state))


@router.post("/confirm/{approval_id}")
async def decide(house: InHouse, request: Request, approval_id: ApprovalId) -> Response:
    """Decide as the person whose token it is."""
    if not from_here(request):
        await note(request, Refused(403, "another site sent the form"))
        return sorry("another site sent you here, and nothing was done: open the link itself", 403)
    form = await request.form()
    token, reason = str(form.get("token", "")), str(form.get("reason", "")).strip()
    try:
        answer: Answer = Reject(reason=reason) if form.get("do") == "reject" else Approve()
        asked = Resume(token=token, answer=answer)
    except ValidationError:
        problem = "nothing was done: say why, in 10,000 characters at the most. The agent is told"
        return await _page(house, approval_id, token, problem=problem, reason=reason)
    if form.get("do") not in ("approve", "reject"):
        return await _page(house, approval_id, token, problem="nothing was done: approve, or reject")
    case = await by_token(house, approval_id, asked)
    return RedirectResponse(f"/confirmed/{case.state}", 303)


async def _page(
    house: House, approval_id: str, token: str, *, problem: str = "", reason: str = "", opened: bool = False
) -> Response:
    try:
        claims = await accepted(house, approval_id, token)
        person = await person_of(house, approval_id, claims)
    except TokenRefused as error:
        return sorry(f"{error}. Log in to see the case: /inbox/{approval_id}", 410)
    case = await house.desk.case(person, approval_id, shown=False)
    if opened:  # by them, or by what scans their mail: nobody has decided anything
        await house.refusals.note(
            "approval.opened", case.id, actor=ANONYMOUS, run_id=case.run_id, person=person.name, digest=case.digest
        )
    subject = case.action.get(SUBJECTS[case.kind])
    return page(
        "confirm.html", status=422 if problem else 200, case=case, token=token, name=person.name, problem=problem,
        reason=reason, stale=claims.digest != case.digest, now=to_datetime(house.clock.now()), subject=subject,
        parts=fields.described(case.schema_, subject),
    )  # fmt: skip
