"""Options that choose what people are asked, declared once; and verbs that decide several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from holdfast.approvals.case import Case, InboxFilter
from holdfast.cli import options
from holdfast.cli.bulk import DryRun, Yes
from holdfast.cli.query import Options, made_of_options
from holdfast.cli.seat import By, Seat
from holdfast.clock import SystemClock, micros, to_datetime
from holdfast.errors import BadOption
from holdfast.records.approval import ApprovalState

T = TypeVar("T")

_PAGE = 1000
QUERY: Options = {
    "agent": (Annotated[str | None, typer.Option(help="Asked by runs of this agent only.")], None),
    "tool": (Annotated[str | None, typer.Option(help="Calls of this tool only.")], None),
    "run": (Annotated[str | None, typer.Option(metavar="RUN", help="Asked by this run.")], None),
    "root": (Annotated[str | None, typer.Option(metavar="RUN", help="Asked by this run or a descendant.")], None),
    "min_risk": (Annotated[int, typer.Option(min=0, max=100, help="At least so risky.")], 0),
    "risk_below": (Annotated[int | None, typer.Option(min=0, max=101, help="Less risky than this.")], None),
    "due_within": (Annotated[str | None, typer.Option(metavar="AGE", help="Whose time is over in so long: 4h.")], None),
}
_SHARED: Options = {
    "by": (By, None),
    "store": (options.Store, None),
    "app": (options.Of, None),
    "as_json": (options.Json, False),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """Which cases are meant."""

    which: InboxFilter
    risk_below: int | None

    async def find(self, seat: Seat, limit: int | None = None) -> list[Case]:
        """They, the riskiest first."""
        found: list[Case] = []
        which = replace(self.which, limit=_PAGE)
        while limit is None or len(found) < limit:
            page = await seat.desk.inbox(seat.who, which)
            found += [case for case in page if self.risk_below is None or case.risk < self.risk_below]
            if len(page) < _PAGE:
                break
            which = replace(which, after=seat.desk.cursor(page[-1]))
        return found[:limit]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """The cases that a verb is for, who is at the desk, and how it is to go about them."""

    ids: tuple[str, ...]  # those named; none if it is a query
    query: Query
    yes: bool
    dry_run: bool
    by: str | None
    store: str | None
    app: str | None
    as_json: bool


def takes_query(command: Callable[..., T]) -> Callable[..., T]:
    """A command whose parameter ``query`` is made of the options of a query, its states included.

    Raises:
        BadOption: (the command) an option makes no sense.
    """
    state = Annotated[
        list[str] | None, typer.Option("--status", metavar="S[,S]", help=f"Or these: {', '.join(ApprovalState)}, all.")
    ]
    return made_of_options(command, "query", {**QUERY, "state": (state, None)}, _query)


def takes_cases(command: Callable[..., T]) -> Callable[..., T]:
    """A command whose parameter ``chosen`` is made of ids, or else of ``--all`` and the options of a query.

    Raises:
        BadOption: (the command) both were given, or neither.
    """
    own: Options = {
        "ids": (Annotated[list[str] | None, typer.Argument(metavar="APPROVAL", help="Ids.")], None),
        "everything": (Annotated[bool, typer.Option("--all", help="All that you are asked and that match.")], False),
        **QUERY,
        "yes": (Yes, False),
        "dry_run": (DryRun, False),
        **_SHARED,
    }
    return made_of_options(command, "chosen", own, _chosen)


def _chosen(
    *, ids: Sequence[str] | None, everything: bool, yes: bool, dry_run: bool, by: str | None, store: str | None,
    app: str | None, as_json: bool, **query: Any,
) -> Chosen:  # fmt: skip
    asked = _query(**query)
    if ids and (everything or asked != _query(**{name: default for name, (_, default) in QUERY.items()})):
        raise BadOption("give ids of approvals, or --all and options that choose some: one of the two")
    if not ids and not everything:
        raise BadOption("which? Give an approval's id; or --all, and options that choose some of them")
    return Chosen(
        ids=tuple(dict.fromkeys(ids or ())), query=asked, yes=yes, dry_run=dry_run, by=by, store=store, app=app,
        as_json=as_json,
    )  # fmt: skip


def _query(
    *, agent: str | None, tool: str | None, run: str | None, root: str | None, min_risk: int, risk_below: int | None,
    due_within: str | None, state: Sequence[str] | None = None,
) -> Query:  # fmt: skip
    which = InboxFilter(
        states=_states(state), agent=agent, tool=tool, run_id=run, root=root, min_risk=min_risk,
        due_before=None if due_within is None else _in(due_within),
    )  # fmt: skip
    return Query(which=which, risk_below=risk_below)


def _states(given: Sequence[str] | None) -> tuple[ApprovalState, ...]:
    words = [word.strip() for text in given or ("pending",) for word in text.split(",")]
    if "all" in words:
        return ()
    if unknown := [word for word in words if word not in set(ApprovalState)]:
        raise BadOption(f"--status {unknown[0]!r}: choose from {', '.join(ApprovalState)}, all")
    return tuple(map(ApprovalState, words))


def _in(age: str) -> datetime:
    try:
        return to_datetime(SystemClock().now() + micros(age))
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
