"""The desk of a server: the same verbs, over its API. Who asks is who the token belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from holdfast import errors
from holdfast.approvals.answers import Approve, Reject, Respond
from holdfast.approvals.batch import Which
from holdfast.approvals.case import Audited, Case, CaseContext, InboxFilter, Outcome, Person
from holdfast.approvals.desk import EVERYTHING_PENDING, Desk
from holdfast.approvals.standing import Standing

_PAGE = 500
_GIVEN = {"by", "roles", "made_at", "used", "spent", "period", "id"}  # what the desk gives a standing approval


class Api(Protocol):
    """A server's API; see ``holdfast.store.remote``."""

    async def get(self, path: str, **query: Any) -> Any:
        """Ask for JSON."""

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Have something done."""

    async def delete(self, path: str) -> Any:
        """Have something deleted."""

    def error_of(self, problem: Mapping[str, Any]) -> errors.HoldfastError:
        """What a problem document stands for."""


class RemoteDesk(Desk):
    """The desk of a server; see :class:`~holdfast.approvals.desk.Desk`.

    Args:
        api: the server's.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def inbox(self, who: Person, which: InboxFilter = EVERYTHING_PENDING) -> list[Case]:
        found: list[Case] = []
        cursor = which.after
        while (wanted := min(_PAGE, which.limit - len(found))) > 0:
            answer = await self._api.get("/api/approvals", **_query(which), limit=wanted, cursor=cursor)
            found += [Case.model_validate(case) for case in answer["approvals"]]
            cursor = answer["next"]
            if cursor is None:
                break
        return found

    async def case(self, who: Person, approval_id: str, *, shown: bool = True) -> Case:
        return Case.model_validate(await self._api.get(_path(approval_id)))

    async def context(self, who: Person, approval_id: str, *, entries: int = 50) -> CaseContext:
        return CaseContext.model_validate(await self._api.get(f"{_path(approval_id)}/context", entries=entries))

    async def decide(
        self, who: Person, approval_id: str, answer: Approve | Reject | Respond, *, digest: str | None = None,
        via: str = "",
    ) -> Case:  # fmt: skip
        if digest is None:
            digest = (await self.case(who, approval_id)).digest
        body = {"answer": _answer_json(answer), "digest": digest}
        return Case.model_validate(await self._api.post(f"{_path(approval_id)}/decision", body))

    async def decide_all(
        self, who: Person, which: Which, answer: Approve | Reject | Respond, *, via: str = ""
    ) -> list[Outcome]:
        body: dict[str, Any] = {"answer": _answer_json(answer)}
        if isinstance(which, InboxFilter):
            body["which"] = {name: value for name, value in _query(which).items() if value is not None}
        elif isinstance(which, Mapping):
            body["shown"] = dict(which)
        else:
            body["ids"] = list(which)
        answered = await self._api.post("/api/approvals/decisions", body)
        return [self._outcome(one) for one in answered["outcomes"]]

    async def reassign(
        self, who: Person, approval_id: str, to: str | Sequence[str], *, why: str = "", digest: str | None = None
    ) -> Case:
        body: dict[str, Any] = {"to": [to] if isinstance(to, str) else list(to), "why": why}
        body |= {} if digest is None else {"digest": digest}
        return Case.model_validate(await self._api.post(f"{_path(approval_id)}/reassignment", body))

    async def grant(self, who: Person, standing: Standing) -> Standing:
        body = standing.model_dump(mode="json", exclude=_GIVEN)
        return Standing.model_validate(await self._api.post("/api/standing", body))

    async def revoke(self, who: Person, standing_id: str) -> None:
        await self._api.delete(f"/api/standing/{quote(standing_id, safe='')}")

    async def standing(self, who: Person) -> list[Standing]:
        return [Standing.model_validate(one) for one in (await self._api.get("/api/standing"))["standing"]]

    async def why(self, who: Person, approval_id: str) -> list[Audited]:
        answer = await self._api.get(f"{_path(approval_id)}/trail")
        return [Audited.model_validate(one) for one in answer["entries"]]

    def _outcome(self, one: Mapping[str, Any]) -> Outcome:
        problem = one.get("problem")
        return Outcome(id=one["id"], error=None if problem is None else self._api.error_of(problem))


def _path(approval_id: str) -> str:
    return f"/api/approvals/{quote(approval_id, safe='')}"


def _answer_json(answer: Approve | Reject | Respond) -> dict[str, Any]:
    return answer.model_dump(mode="json", exclude_unset=True) | {"kind": answer.kind}


def _query(which: InboxFilter) -> dict[str, Any]:
    return {
        "state": [str(state) for state in which.states] or None,
        "run": which.run_id,
        "root": which.root,
        "agent": which.agent,
        "tool": which.tool,
        "min_risk": which.min_risk or None,
        "due_before": None if which.due_before is None else which.due_before.isoformat(),
    }
