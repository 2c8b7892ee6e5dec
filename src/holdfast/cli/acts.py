"""``holdfast runs pause | resume | cancel | retry | move | tag | delete``: what people do to runs."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from holdfast.cli.apps import load
from holdfast.cli.bulk import Chosen, takes_runs
from holdfast.durable.selection import Done, Selection
from holdfast.errors import BadOption, UnknownAgent

Reason = Annotated[str, typer.Option(help="Why; the runs will say it.")]
Tags = list[str] | None


@takes_runs
def pause(chosen: Chosen, reason: Reason = "") -> int:
    """Stop runs until they are resumed. Steps at work end first and are recorded; children go on."""
    return chosen.each(lambda runs: runs.pause(reason=reason), are="asked to pause")


@takes_runs
def resume(chosen: Chosen) -> int:
    """Put paused runs, or blocked ones whose code was mended, back to work."""
    return chosen.each(lambda runs: runs.resume(), are="back at work")


@takes_runs
def cancel(chosen: Chosen, reason: Reason = "") -> int:
    """Ask runs, and their children, to cancel. They may clean up first; `runs watch` waits for the end of one."""
    return chosen.each(lambda runs: runs.cancel(reason=reason), are="asked to cancel")


@takes_runs
def retry(chosen: Chosen) -> int:
    """Let failed runs go on from before what made them fail. What had succeeded before is not done again."""
    return chosen.each(lambda runs: runs.retry(), are="back at work")


@takes_runs
def move(
    chosen: Chosen,
    to: Annotated[str, typer.Option(metavar="VERSION", help="Of the agent, defined by --app.")],
) -> int:
    """Let runs go on as another version of their agent, if their journals replay against its code."""
    if chosen.app is None:
        raise BadOption(f"give --app MODULE:APP: the code of version {to} that the journals are replayed against")

    if all(hosted.version != to for hosted in load(chosen.app).catalog.agents):
        raise UnknownAgent(f"{chosen.app} defines no version {to!r} of any agent: there is no code to move to")

    async def move(runs: Selection) -> Done:
        with redirect_stdout(sys.stderr):  # bodies are replayed and may print, and the answer may be JSON
            return await runs.move(to)

    return chosen.each(move, are=f"of version {to} now")


@takes_runs
def tag(
    chosen: Chosen,
    add: Annotated[Tags, typer.Option("--add", metavar="TAG", help="A tag to add; may be repeated.")] = None,
    remove: Annotated[
        Tags, typer.Option("--remove", metavar="TAG", help="A tag to take away; may be repeated.")
    ] = None,
) -> int:
    """Add tags to runs, and take tags away; `--tag` chooses runs that have one."""
    if not (add or remove):
        raise BadOption("which tags? Give --add TAG or --remove TAG, or both")
    return chosen.each(lambda runs: runs.tag(add=add or (), remove=remove or ()), are="tagged so")


@takes_runs
def delete(chosen: Chosen) -> int:
    """Delete runs that have ended, with all their descendants: rows, values, files. There is no way back."""
    return chosen.each(lambda runs: runs.delete(), are="deleted")
