"""The inbox: what a person is asked, the riskiest first; and one answer to several."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from holdfast.approvals.answers import Approve, Reject
from holdfast.approvals.case import Case, InboxFilter, Outcome
from holdfast.clock import to_datetime
from holdfast.errors import BadOption, HoldfastError
from holdfast.people import Caller, Scope
from holdfast.records.approval import ApprovalState
from holdfast.server.access import caller_of, check
from holdfast.server.house import House, InHouse
from holdfast.server.pages.rendering import PageRoute, page
from holdfast.server.sight import at_desk

router = APIRouter(route_class=PageRoute)
_PAGE, _MOST = 25, 100
_STATES = tuple(map(str, ApprovalState))


async def reviewer(house: House, request: Request) -> Caller:
    """Who is at the page, if they decide things.

    Raises:
        NotAuthenticated, ScopeMissing, Refused: as :func:`~holdfast.server.access.caller_of`.
    """
    who = await caller_of(house, request)
    check(who, Scope.DECIDE)
    return who


@router.get("/inbox")
async def show_inbox(
    house: InHouse, request: Request, agent: str = "", risk: str = "", state: str = "pending", after: str = "",
    done: str = "",
) -> Response:  # fmt: skip
    """What the person is asked."""
    who = await reviewer(house, request)
    chosen = {"agent": agent[:200], "risk": risk, "state": state if state in (*_STATES, "all") else "pending"}
    which, problem = _filter(chosen, after), ""
    try:
        found = await house.desk.inbox(at_desk(who), replace(which, limit=_PAGE + 1))
    except BadOption as error:
        found, problem = [], str(error)
    following = house.desk.cursor(found[_PAGE - 1]) if len(found) > _PAGE else ""
    return page(
        "inbox.html", who=who, status=422 if problem else 200, cases=found[:_PAGE], now=to_datetime(house.clock.now()),
        chosen=chosen, states=_STATES, problem=problem, later=bool(after), done=done if done.isdecimal() else "",
        filtered=bool(agent or which.min_risk or chosen["state"] != "pending"),
        next=urlencode(chosen | {"after": following}) if following else "",
    )  # fmt: skip


def _filter(chosen: dict[str, str], after: str) -> InboxFilter:
    states = () if chosen["state"] == "all" else (ApprovalState(chosen["state"]),)
    risk = chosen["risk"]
    least = min(int(risk), 100) if risk.isascii() and risk.isdecimal() and len(risk) < 4 else 0
    return InboxFilter(states=states, agent=chosen["agent"].strip() or None, min_risk=least, after=after or None)


@router.get("/inbox/chosen")
async def show_chosen(
    house: InHouse, request: Request, chosen: Annotated[list[str] | None, Query(max_length=_MOST)] = None,
    do: str = "approve",
) -> Response:  # fmt: skip
    """Several that were chosen, before anything is done with them."""
    who = await reviewer(house, request)
    cases = [await house.desk.case(at_desk(who), one) for one in dict.fromkeys(chosen or ())]
    return _chosen_page(house, who, cases, "reject" if do == "reject" else "approve")


@router.post("/inbox/chosen")
async def decide_chosen(house: InHouse, request: Request) -> Response:
    """Decide each by itself, as it was displayed."""
    who = await reviewer(house, request)
    form = await request.form(max_fields=2 * _MOST + 10)
    shown = [str(one).partition(" ")[::2] for one in form.getlist("chosen")][:_MOST]
    reason, do = str(form.get("reason", "")).strip(), str(form.get("do", ""))
    if do not in ("approve", "reject") or (do == "reject" and not 0 < len(reason) <= 10_000):
        cases = [await house.desk.case(at_desk(who), one, shown=False) for one, _ in shown]
        problem = "say why, in 10,000 characters at the most: the agents are told"
        return _chosen_page(house, who, cases, "reject", reason=reason, problem=problem, status=422)
    answer = Reject(reason=reason) if do == "reject" else Approve()
    outcomes = [await _decided(house, who, one, digest, answer) for one, digest in shown]
    if all(one.error is None for one in outcomes):
        return RedirectResponse(f"/inbox?done={len(outcomes)}", 303)
    return page("outcomes.html", who=who, outcomes=outcomes)


def _chosen_page(house: House, who: Caller, cases: list[Case], do: str, status: int = 200, **more: Any) -> Response:
    values = {"reason": "", "problem": ""} | more
    return page("chosen.html", who=who, status=status, cases=cases, do=do, now=to_datetime(house.clock.now()), **values)


async def _decided(house: House, who: Caller, approval: str, digest: str, answer: Approve | Reject) -> Outcome:
    try:
        case = await house.desk.decide(at_desk(who), approval, answer, digest=digest or "none", via="web")
    except HoldfastError as error:
        return Outcome(id=approval, error=error)
    return Outcome(id=approval, case=case)
