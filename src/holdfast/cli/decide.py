"""``holdfast inbox approve | reject | respond``: deciding what is asked, one or many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from holdfast.approvals.answers import Approve, Reject, Respond
from holdfast.approvals.case import Case, Outcome
from holdfast.cli import cases
from holdfast.cli.bulk import FIRST, confirmed, would_be
from holdfast.cli.choosing import Chosen, takes_cases
from holdfast.cli.codes import Exit
from holdfast.cli.inputs import read
from holdfast.cli.output import document, say
from holdfast.cli.seat import VIA, Seat, seat_at
from holdfast.console import harmless, on_line
from holdfast.errors import BadOption, NotFound, WrongDigest
from holdfast.records.approval import ApprovalState

Answer = Approve | Reject | Respond
Digest = Annotated[
    str | None, typer.Option(metavar="DIGEST", help="Of what you were shown, or its beginning: else it is refused.")
]
_SHORTEST = 8


@takes_cases
def approve(
    chosen: Chosen,
    edit: Annotated[
        list[str] | None, typer.Option("--edit", metavar="NAME=VALUE", help="Another argument: amount=90; repeatable.")
    ] = None,
    value: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE|-", help="Another value; or the answer to a question.")
    ] = None,
    digest: Digest = None,
) -> int:
    """Approve, as it is or with changes; or answer a question. The run goes on with exactly that."""
    given: dict[str, Any] = {"edits": _edits(edit)} if edit else {}
    given |= {"value": read(value, "--value")} if value is not None else {}
    return decide(chosen, Approve(**given), digest)


@takes_cases
def reject(
    chosen: Chosen, reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the agent is told.")],
    digest: Digest = None,
) -> int:  # fmt: skip
    """Refuse it, and say why."""
    return decide(chosen, _made("--reason", lambda: Reject(reason=reason)), digest)


@takes_cases
def respond(
    chosen: Chosen, text: Annotated[str, typer.Option("--text", metavar="TEXT", help="What the agent is told.")],
    digest: Digest = None,
) -> int:  # fmt: skip
    """Say something to the agent, which goes on with that: neither an approval nor a refusal."""
    return decide(chosen, _made("--text", lambda: Respond(text=text)), digest)


def decide(chosen: Chosen, answer: Answer, digest: str | None) -> int:
    """Decide what was chosen; the exit code."""
    if len(chosen.ids) == 1 and not chosen.dry_run:
        case = asyncio.run(_one(chosen, answer, digest))
        document(cases.as_json(case)) if chosen.as_json else say(told(case))
        return Exit.OK
    if digest is not None:
        raise BadOption("--digest is of one approval: give one id")
    return asyncio.run(_many(chosen, answer))


def told(case: Case) -> str:
    """What became of it, for people."""
    if case.state is ApprovalState.PENDING:
        return f"{case.id}: {len(case.votes)} of {case.quorum} approve; it stays open"
    edited = " with changes" if case.decision is not None and case.decision.edited else ""
    return f"{case.id} is {case.state}{edited}: {harmless(cases.what(case))}"


async def decided(seat: Seat, case: Case, answer: Answer) -> Case:
    """Decide what was displayed, and nothing else."""
    return await seat.desk.decide(seat.who, case.id, answer, digest=case.digest, via=VIA)


async def _one(chosen: Chosen, answer: Answer, digest: str | None) -> Case:
    async with seat_at(chosen.store, chosen.app, chosen.by) as seat:
        case = await seat.desk.case(seat.who, chosen.ids[0], shown=False)
        if digest is not None and (len(digest) < _SHORTEST or not case.digest.startswith(digest)):
            raise WrongDigest(
                f"{case.id} is not what you were shown: its digest is {case.digest[: cases.DIGEST_SHOWN]} now. See "
                f"`holdfast inbox show {case.id}`",
                present=case.digest,
            )
        return await decided(seat, case, answer)


async def _many(chosen: Chosen, answer: Answer) -> int:
    async with seat_at(chosen.store, chosen.app, chosen.by) as seat:
        ids = chosen.ids or {case.id: case.digest for case in await chosen.query.find(seat)}
        if not ids:
            raise NotFound("nothing that you are asked matches")
        said = f"{len(ids)} {'approval matches' if len(ids) == 1 else 'approvals match'}"
        if chosen.dry_run:
            first = list(ids)[:FIRST]
            dry = {"dry_run": True, "matched": len(ids), "first": first}
            document(dry) if chosen.as_json else would_be(said, first, len(ids))
            return Exit.OK
        if not chosen.ids and not confirmed(said, yes=chosen.yes, as_json=chosen.as_json):
            return Exit.INTERRUPTED
        outcomes = await seat.desk.decide_all(seat.who, ids, answer, via=VIA)
    return _tell_all(outcomes, as_json=chosen.as_json)


def _tell_all(outcomes: Sequence[Outcome], *, as_json: bool) -> int:
    refused = [one for one in outcomes if one.error is not None]
    if as_json:
        document({"decided": len(outcomes) - len(refused), "outcomes": [cases.outcome_json(one) for one in outcomes]})
    else:
        say(f"{len(outcomes) - len(refused)} decided" + (f", {len(refused)} refused:" if refused else ""))
        for one in refused:
            say(f"  {one.id}: {on_line(one.error)}")
    return Exit.CONFLICT if refused else Exit.OK


def _edits(given: Sequence[str]) -> dict[str, Any]:
    """``amount=90`` and the like; what is no JSON is text."""
    edits: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name:
            raise BadOption(f"--edit {one!r}: write NAME=VALUE, such as amount=90")
        try:
            edits[name] = parsed(text)
        except ValueError:
            edits[name] = text
    return edits


def parsed(text: str) -> Any:
    """A JSON value.

    Raises:
        ValueError: it is none; NaN and the infinities are none either.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON number")

    return json.loads(text, parse_constant=refuse)


def _made(option: str, make: Callable[[], Answer]) -> Answer:
    try:
        return make()
    except ValidationError as error:
        raise BadOption(f"{option}: {error.errors()[0]['msg']}") from error
