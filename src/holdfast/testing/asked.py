"""What a run under test asks of people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.approvals.answers import Approve, Reject, Respond
from holdfast.approvals.case import ROLE, Case, Person
from holdfast.approvals.routing import REVIEWER

if TYPE_CHECKING:  # a rig makes them
    from holdfast.client import Client

EVERYBODY = Person(name="the test", roles=frozenset({"admin"}))


class Asked:
    """Something that a run asks. Get one with ``await t.asked(run)``.

    People have the roles that are asked: ``by="ann"`` may decide what is asked of any role, of ``"ann"``, or of nobody
    in particular; four eyes and quorums hold.

    Attributes:
        case: as it was when it was asked for.
    """

    def __init__(self, client: Client, case: Case) -> None:
        self._client = client
        self.case = case

    @property
    def digest(self) -> str:
        """Of what was displayed."""
        return self.case.digest

    def is_about(self, what: str) -> bool:
        """Whether it is about a tool, an agent, a type or a question."""
        action = self.case.action
        return (
            not what
            or any(what == action.get(name) for name in ("tool", "agent", "step", "type"))
            or (what in action.get("question", ""))
        )

    async def approve(self, *, by: str, **edits: object) -> None:
        """Approve it, with other arguments if any are given.

        Raises:
            DeskRefused: as :meth:`Desk.decide`.
        """
        await self._decide(by, Approve(edits=edits or None))

    async def answer(self, value: Any, *, by: str) -> None:
        """Answer a question; or approve another value."""
        await self._decide(by, Approve(value=value))

    async def reject(self, *, by: str, reason: str) -> None:
        """Reject it."""
        await self._decide(by, Reject(reason=reason))

    async def respond(self, *, by: str, text: str) -> None:
        """Say something, neither yes nor no."""
        await self._decide(by, Respond(text=text))

    def person(self, name: str) -> Person:
        """Somebody with all the roles that are asked now."""
        roles = {one.removeprefix(ROLE) for one in self.case.to if one.startswith(ROLE)}
        return Person(name=name, roles=frozenset(roles or ({REVIEWER} if not self.case.to else ())))

    async def _decide(self, by: str, answer: Approve | Reject | Respond) -> None:
        self.case = await self._client.inbox.case(EVERYBODY, self.case.id, shown=False)
        await self._client.inbox.decide(self.person(by), self.case.id, answer, digest=self.digest, via="test")
