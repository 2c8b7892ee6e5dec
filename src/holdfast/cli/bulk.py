"""Verbs that work on several runs: on those named, or on all of a query, which are counted first."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer

from holdfast.cli import options
from holdfast.cli.codes import Exit
from holdfast.cli.output import at_terminal, document, say
from holdfast.cli.query import QUERY, Children, Options, asks_for_anything, filter_of, made_of_options, with_children
from holdfast.cli.stores import client_of
from holdfast.console import harmless
from holdfast.durable.client import Client
from holdfast.durable.selection import Done, Selection
from holdfast.errors import BadOption, NotFound, UsageError, WrongState
from holdfast.records.run import Status
from holdfast.store.base import RunFilter

T = TypeVar("T")

Act = Callable[[Selection], Awaitable[Done]]
FIRST = 10  # ids that a dry run shows

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
_App = Annotated[
    str | None,
    typer.Option("--app", metavar="MODULE:APP", help="The app whose default store is meant, and whose code counts."),
]
_OPTIONS: Options = {
    "run_ids": (Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Ids of runs.")], None),
    **QUERY,
    "everything": (Annotated[bool, typer.Option("--everything", help="Instead of a query: every run.")], False),
    "children": (Children, False),
    "yes": (Yes, False),
    "dry_run": (DryRun, False),
    "store": (options.Store, None),
    "app": (_App, None),
    "as_json": (options.Json, False),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """The runs that a command is for, where they are, and how it is to go about them."""

    ids: tuple[str, ...]  # those named; none if it is a query
    which: RunFilter
    yes: bool
    dry_run: bool
    store: str | None
    app: str | None
    as_json: bool

    def each(self, act: Act, *, are: str) -> int:
        """Do something to each of them, and say what became of it; the exit code.

        Args:
            act: what to do.
            are: what the runs are afterwards, in words.

        Raises:
            NotFound: none matches, or one that was named does not exist: then nothing was done.
            WrongState: the only one that was named refuses.
            UsageError: a query needs somebody who says yes to it.
        """
        return asyncio.run(self._each(act, are))

    async def _each(self, act: Act, are: str) -> int:
        async with client_of(self.store, self.app) as client:
            runs = client.select(self.ids or self.which)
            matched = await runs.count()
            if not matched:
                raise NotFound(self._nothing(client))
            if self.dry_run:
                await self._tell_first(runs, matched)
                return Exit.OK
            if not self.ids and not confirmed(counted(matched), yes=self.yes, as_json=self.as_json):
                return Exit.INTERRUPTED
            done = await act(runs)
        self._tell(matched, done, are)
        return Exit.CONFLICT if done.refused else Exit.OK

    def _nothing(self, client: Client) -> str:
        seen = "; children of other runs are looked at with --all" if self.which.roots_only else ""
        return f"no run in {client.store.url} matches{seen}"

    async def _tell_first(self, runs: Selection, matched: Mapping[Status, int]) -> None:
        first: list[str] = []
        async for run in runs:
            first.append(run.id)
            if len(first) == FIRST:
                break
        if self.as_json:
            document({"dry_run": True, "matched": by_status(matched), "first": first})
        else:
            would_be(counted(matched), first, sum(matched.values()))

    def _tell(self, matched: Mapping[Status, int], done: Done, are: str) -> None:
        if len(self.ids) == 1 and done.refused:
            raise WrongState(done.refused[self.ids[0]])
        if self.as_json:
            document({"matched": by_status(matched), "done": done.done, "refused": done.refused})
            return
        if len(self.ids) == 1:
            say(f"run {done.done[0]} is {are}")
            return
        say(f"{runs_are(len(done.done))} {are}")
        if done.refused:
            say(f"{len(done.refused)} refused:")
        for run_id, why in done.refused.items():
            say(f"  {harmless(why if run_id in why else f'run {run_id}: {why}')}")


def takes_runs(command: Callable[..., T]) -> Callable[..., T]:
    """A command whose parameter ``chosen`` is made of ids of runs, or else of the options of a query.

    Raises:
        BadOption: (the command) both were given, or neither.

    Example:
        >>> @takes_runs
        ... def retry(chosen: Chosen) -> int:
        ...     return chosen.each(lambda runs: runs.retry(), are="back in the queue")
    """
    return made_of_options(command, "chosen", _OPTIONS, _chosen)


def _chosen(
    *, run_ids: list[str] | None, everything: bool, children: bool, yes: bool, dry_run: bool, store: str | None,
    app: str | None, as_json: bool, **query: object,
) -> Chosen:  # fmt: skip
    which = filter_of(**query)  # type: ignore[arg-type]  # they are the options that it declares
    asked = asks_for_anything(which)
    if (bool(run_ids), asked, everything).count(True) > 1:
        raise BadOption("give ids of runs, or options that choose some, or --everything: one of the three")
    if not (run_ids or asked or everything):
        raise BadOption("which runs? Give their ids, or options that choose some; --everything stands for all of them")
    return Chosen(
        ids=tuple(dict.fromkeys(run_ids or ())), which=with_children(which, children), yes=yes, dry_run=dry_run,
        store=store, app=app, as_json=as_json,
    )  # fmt: skip


def confirmed(what: str, *, yes: bool, as_json: bool) -> bool:
    """Whether to go on: because of ``--yes``, or because a person at the terminal says so.

    Raises:
        UsageError: nobody is there to be asked.
    """
    if yes:
        return True
    if as_json or not (sys.stdin.isatty() and at_terminal()):
        raise UsageError(f"{what}. Nothing was done: say --yes to go on, or --dry-run to see more")
    agreed = typer.confirm(f"{what}. Go on?")
    if not agreed:
        say("nothing was done")
    return agreed


def would_be(what: str, first: list[str], many: int) -> None:
    """What a dry run says to people: how many there are, and the first of them."""
    say(what)
    for run_id in first:
        say(f"  {run_id}")
    if many > len(first):
        say(f"  … and {many - len(first)} more")


def by_status(counts: Mapping[Status, int]) -> dict[str, int]:
    """Counts for JSON, in the order of a run's life."""
    return {str(status): counts[status] for status in Status if counts.get(status)}


def counted(counts: Mapping[Status, int]) -> str:
    """Counts for people: ``3 runs match: 2 waiting, 1 failed``."""
    many = sum(counts.values())
    each = ", ".join(f"{number} {status}" for status, number in by_status(counts).items())
    return f"{many} {'run matches' if many == 1 else 'runs match'}{f': {each}' if each else ''}"


def runs_are(many: int) -> str:
    """``1 run is``, ``3 runs are``."""
    return "1 run is" if many == 1 else f"{many} runs are"
