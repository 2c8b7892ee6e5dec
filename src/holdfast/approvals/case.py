"""What a person at the desk sees: cases, and what surrounds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from holdfast.errors import BadOption
from holdfast.records.approval import ApprovalState

ROLE, STANDING, DEADLINE = "role:", "standing:", "deadline"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody at the desk, authenticated by whoever lets them in.

    Attributes:
        name: as it is used in ``to="ann"`` and recorded with what they do.
        roles: ``"admin"`` sees and decides all; ``"reviewer"`` what is asked of nobody in particular; any other what is
            asked of ``role:<it>``.

    Raises:
        BadOption: that cannot be a person's name.
    """

    name: str
    roles: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        reserved = self.name == DEADLINE or self.name.startswith((ROLE, STANDING))  # these speak for others than people
        if reserved or not self.name.strip() or not self.name.isprintable() or len(self.name) > 200:
            raise BadOption(f"{self.name!r} cannot name a person: 1 to 200 printable characters, not 'role:…'")


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)  # most processes show nobody anything


class Fact(_Shown):
    """Something that was true when it was asked, and is looked at again before the call is made.

    Attributes:
        what: the step that found it, with its arguments.
        value: what it found, as JSON.
    """

    what: str
    value: Any


class Vote(_Shown):
    """Somebody's approval, of the action with this digest."""

    by: str
    at: datetime
    digest: str


class Hop(_Shown):
    """It went to somebody else: ``by`` is a person, or ``deadline``."""

    at: datetime
    by: str
    before: tuple[str, ...]
    to: tuple[str, ...]
    why: str = ""


class Told(_Shown):
    """What the run was told.

    Attributes:
        state: how it ended.
        by: who decided; a deadline, or a standing approval, is named as such.
        at: when.
        digest: of what was decided.
        edited: whether it is another than what was asked for.
        final: the action that is executed, the value, or the answer, edits included.
        reason: of a rejection.
        text: of a response.
    """

    state: ApprovalState
    by: tuple[str, ...] = ()
    at: datetime
    digest: str
    edited: bool = False
    final: Any = None
    reason: str = ""
    text: str = ""


class Case(_Shown):
    """One thing that is, or was, to be decided.

    Attributes:
        n: the number of the approval: they are numbered in the order in which they were asked.
        id: of the approval.
        run_id: of the run that asks.
        root: the run at the top of its tree.
        agent: whose run it is.
        version: of the agent.
        key: of the journal entries.
        state: where it stands.
        revision: raised by every change.
        to: who is asked: names of people, and ``role:…``; empty: any reviewer.
        risk: 0 to 100.
        asked_at: when.
        due_at: when its deadline acts.
        kind: a call of a tool or an agent, a value, or a question.
        action: what is to be decided, with the edits proposed so far: a call's ``tool`` and ``arguments``; ``type`` and
            ``value``; or a ``question``.
        original: the same as the run asked for it, if it was edited since.
        schema_: the JSON Schema of the arguments, the value or the answer (``schema`` in JSON).
        because: the agent's reasoning.
        facts: stated facts, such as ``confidence``.
        provided: declared preconditions and what they were.
        requester: on whose behalf; may not approve.
        started_by: who started the tree of runs; may not approve.
        digest: of what is to be decided: to be given back with the decision.
        quorum: how many people have to approve.
        votes: who has, so far.
        hops: whom it went to before.
        then: what happens at the deadline, in words, next first.
        problem: why it is asked again, if it is.
        decision: once decided.
        why_not: why the person who looks may not approve it; empty if they may.
        own: whether it is the request of the person who looks: they may reject it, and not approve it or hand it on.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, populate_by_name=True, serialize_by_alias=True)

    n: int
    id: str
    run_id: str
    root: str
    agent: str
    version: str
    key: str
    state: ApprovalState
    revision: int
    to: tuple[str, ...]
    risk: int
    asked_at: datetime
    due_at: datetime | None
    kind: Literal["call", "value", "question"]
    action: dict[str, Any]
    original: dict[str, Any] | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    because: str = ""
    facts: dict[str, Any] = {}
    provided: tuple[Fact, ...] = ()
    requester: str = ""
    started_by: str = ""
    digest: str
    quorum: int = 1
    votes: tuple[Vote, ...] = ()
    hops: tuple[Hop, ...] = ()
    then: tuple[str, ...] = ()
    problem: str = ""
    decision: Told | None = None
    why_not: str = ""
    own: bool = False


class Seen(_Shown):
    """One entry of the journal.

    Attributes:
        seq: its number.
        at: when.
        kind: ``step``, ``tool``, ``model``, ``child``, ``promise``, ``approval`` …, and ``intent`` or ``attempt`` after
            a blank if it has no outcome.
        key: of the call.
        ok: whether it succeeded.
        input: the arguments, or a preview of them.
        output: the value, or the error; of a model its message.
        cut: whether either was cut: the whole is in the run's journal under ``seq``.
    """

    seq: int
    at: datetime
    kind: str
    key: str
    ok: bool
    input: Any = None
    output: Any = None
    cut: bool = False


class SeenFile(_Shown):
    """A file of the run's workspace."""

    path: str
    size: int


class CaseContext(_Shown):
    """What surrounds a case.

    Attributes:
        case: the case.
        status: of the run.
        input: the run's arguments.
        journal: the last entries, oldest first.
        earlier: how many entries there are before these.
        files: the run's workspace.
        pending: what else the same tree of runs waits for people to decide.
        waiting: keys of calls that have begun and have no outcome yet: promises, children, effects.
    """

    case: Case
    status: str
    input: Any
    journal: tuple[Seen, ...]
    earlier: int
    files: tuple[SeenFile, ...]
    pending: tuple[Case, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class InboxFilter:
    """Which cases :meth:`Desk.inbox` shows: those that match every field given, and that the person may see.

    Attributes:
        states: where they stand; empty: all.
        run_id: asked by this run.
        root: asked by any run of this tree.
        agent: asked by runs of this agent.
        tool: that call this tool.
        min_risk: at least this risky.
        due_before: whose deadline is before this.
        limit: how many at the most.
        after: the page after a case: its ``cursor`` as :meth:`Desk.cursor` gives it.
    """

    states: tuple[ApprovalState, ...] = (ApprovalState.PENDING,)
    run_id: str | None = None
    root: str | None = None
    agent: str | None = None
    tool: str | None = None
    min_risk: int = 0
    due_before: datetime | None = None
    limit: int = 100
    after: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one case of a batch: the case as it is now, or why nothing was done."""

    id: str
    case: Case | None = None
    error: Exception | None = field(default=None, compare=False)


class Audited(_Shown):
    """One entry of the audit trail: somebody was shown, did, or tried something."""

    at: datetime
    actor: str
    action: str
    detail: dict[str, Any] = {}
