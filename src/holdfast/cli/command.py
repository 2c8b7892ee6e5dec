"""The command itself: its verbs, and how its errors become exit codes."""

from __future__ import annotations

import asyncio
import importlib.metadata
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

from holdfast.cli import (
    acts,
    channels,
    decide,
    delegate,
    demand,
    dev,
    doctor,
    editing,
    export,
    files,
    fork,
    inbox,
    keys,
    people,
    promise,
    prune,
    replay,
    runs,
    server,
    start,
    to_test,
    tokens,
    watch,
    worker,
    workers,
)
from holdfast.cli.codes import Exit, code_of, epilog
from holdfast.cli.output import say
from holdfast.cli.problems import tell
from holdfast.errors import HoldfastError, NotAuthenticated

# Typer has brought a click of its own since 0.20-odd, before that it used the real one: whichever it is, this is the
# root of its complaints about arguments.
_Complaint: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="holdfast",
    help="Hosts agents, starts runs, and looks at what is in a store.",
    epilog=epilog(),
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_runs = typer.Typer(help="Look at runs, and tell them things.", rich_markup_mode=None)
_workers = typer.Typer(help="Look at workers.", rich_markup_mode=None)
_promise = typer.Typer(help="Give runs what they wait for.", rich_markup_mode=None)
_people = typer.Typer(help="Say who may do what, over the HTTP API and its pages.", rich_markup_mode=None)
_inbox = typer.Typer(help="See what runs ask of people, and decide it.", rich_markup_mode=None)
_channels = typer.Typer(help="Say where people are told of what is asked of them.", rich_markup_mode=None)
_tokens = typer.Typer(help="Make and revoke API tokens.", rich_markup_mode=None)
_keys = typer.Typer(help="Make and revoke keys that other systems sign decisions with.", rich_markup_mode=None)

app.command("dev")(dev.dev)
app.command("worker")(worker.worker)
app.command("server")(server.server)
app.command("start")(start.start)
app.command("doctor")(doctor.doctor)
app.command("replay")(replay.replay)
app.add_typer(_runs, name="runs")
app.command("prune")(prune.prune)
_runs.command("list")(runs.list_runs)
_runs.command("count")(runs.count)
_runs.command("show")(runs.show)
_runs.command("watch")(watch.watch)
_runs.command("pause")(acts.pause)
_runs.command("resume")(acts.resume)
_runs.command("cancel")(acts.cancel)
_runs.command("retry")(acts.retry)
_runs.command("fork")(fork.fork)
_runs.command("move")(acts.move)
_runs.command("tag")(acts.tag)
_runs.command("delete")(acts.delete)
_runs.command("export")(export.export)
_runs.command("files")(files.files)
_runs.command("cat")(files.cat)
_runs.command("to-test")(to_test.to_test)
app.add_typer(_workers, name="workers")
_workers.command("list")(workers.list_workers)
_workers.command("demand")(demand.demand)
app.add_typer(_promise, name="promise")
_promise.command("resolve")(promise.resolve)
_promise.command("fail")(promise.fail)
app.add_typer(_inbox, name="inbox")
_inbox.command("list")(inbox.list_cases)
_inbox.command("show")(inbox.show)
_inbox.command("approve")(decide.approve)
_inbox.command("edit")(editing.edit)
_inbox.command("reject")(decide.reject)
_inbox.command("respond")(decide.respond)
_inbox.command("delegate")(delegate.delegate)
_inbox.command("why")(inbox.why)
app.add_typer(_channels, name="channels")
_channels.command("add")(channels.add)
_channels.command("list")(channels.list_channels)
_channels.command("remove")(channels.remove)
_channels.command("test")(channels.test)
_channels.command("dead")(channels.dead)
_channels.command("revive")(channels.revive)
app.add_typer(_people, name="people")
_people.command("add")(people.add)
_people.command("list")(people.list_people)
_people.command("roles")(people.roles)
_people.command("link")(people.link)
_people.command("remove")(people.remove)
app.add_typer(_tokens, name="tokens")
_tokens.command("new")(tokens.new)
_tokens.command("list")(tokens.list_tokens)
_tokens.command("revoke")(tokens.revoke)
app.add_typer(_keys, name="keys")
_keys.command("new")(keys.new)
_keys.command("list")(keys.list_keys)
_keys.command("rotate")(keys.rotate)
_keys.command("revoke")(keys.revoke)


def _say_version(asked: bool) -> None:
    if asked:
        say(f"holdfast {importlib.metadata.version('holdfast')}, Python {sys.version.split()[0]}")
        raise typer.Exit


@app.callback()
def _before(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which Holdfast this is.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit; see :mod:`holdfast.cli.codes` for the exit codes.

    Args:
        arguments: those of the process by default.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 must not cost the answer
    sys.exit(int(_code_of(given)))


def _code_of(given: list[str]) -> int:
    as_json = "--json" in given
    try:
        return app(given or ["--help"], prog_name="holdfast", standalone_mode=False) or Exit.OK
    except _Complaint as complaint:
        tell("UsageError", f"{complaint.format_message()}{_advice(complaint)}", Exit.USAGE, as_json=as_json)
        return Exit.USAGE
    except HoldfastError as error:
        tell(type(error).__name__, f"{error}{_whose(error)}", code_of(error), as_json=as_json)
        return code_of(error)
    except (KeyboardInterrupt, asyncio.CancelledError, typer.Abort):
        return Exit.INTERRUPTED
    except Exception:
        traceback.print_exc()
        return Exit.FAULT


def _whose(error: HoldfastError) -> str:
    return ". This command sends what is in $HOLDFAST_TOKEN" if isinstance(error, NotAuthenticated) else ""


def _advice(complaint: Any) -> str:
    context = getattr(complaint, "ctx", None)
    return f" See `{context.command_path} --help`." if context is not None else ""
