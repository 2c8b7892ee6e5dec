"""Options that choose runs, declared once: for every verb that works on all the runs of a query."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from holdfast.clock import SystemClock, from_datetime, micros
from holdfast.durable.client import Client
from holdfast.errors import BadOption
from holdfast.records.run import Run, Status
from holdfast.store.base import RunFilter

T = TypeVar("T")

_PAGE = 100  # runs hold their input and result, which may be large

Options = Mapping[str, tuple[Any, Any]]  # by parameter: annotation and default

QUERY: Options = {
    "agent": (Annotated[str | None, typer.Option(help="Runs of this agent only.")], None),
    "version": (Annotated[str | None, typer.Option(help="Of this version of it.")], None),
    "status": (
        Annotated[list[str] | None, typer.Option(metavar="S[,S]", help=f"Only these: {', '.join(Status)}.")],
        None,
    ),
    "key": (Annotated[str | None, typer.Option(help="The run with this idempotency key.")], None),
    "tag": (Annotated[list[str] | None, typer.Option(help="With this tag; may be repeated, all must match.")], None),
    "since": (
        Annotated[str | None, typer.Option(metavar="TIME|AGE", help="Created then or later: 2026-11-23T08:00, or 2d.")],
        None,
    ),
    "until": (Annotated[str | None, typer.Option(metavar="TIME|AGE", help="Created before that.")], None),
    "error": (Annotated[str | None, typer.Option(metavar="TEXT", help="With this text in their error.")], None),
    "root": (Annotated[str | None, typer.Option(metavar="RUN", help="This run and its descendants.")], None),
}
Children = Annotated[bool, typer.Option("--all", help="Children of other runs too.")]


def takes_query(command: Callable[..., T]) -> Callable[..., T]:
    """A command whose parameter ``which`` is made of the options of a query; it has no such option itself.

    ``which.limit`` and ``which.roots_only`` are the command's own affair.

    Raises:
        BadOption: (the command) an option makes no sense.

    Example:
        >>> @takes_query
        ... def list_runs(which: RunFilter, limit: int = 20) -> None: ...
    """
    return made_of_options(command, "which", QUERY, filter_of)


def made_of_options(
    command: Callable[..., T], made: str, options: Options, make: Callable[..., object]
) -> Callable[..., T]:
    """A command one of whose parameters is made of options that several commands share.

    Args:
        command: what is called.
        made: the name of the parameter, which is no option itself.
        options: that the command gets instead.
        make: makes the parameter's value of theirs.
    """
    own = inspect.signature(command, eval_str=True)
    kept = [parameter for name, parameter in own.parameters.items() if name != made]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in options.items()
    ]

    @functools.wraps(command)
    def with_options(*args: Any, **given: Any) -> T:
        shared = {name: given.pop(name, default) for name, (_, default) in options.items()}
        return command(*args, **{made: make(**shared)}, **given)

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in kept] + added
    vars(with_options)["__signature__"] = own.replace(parameters=parameters)
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del vars(with_options)["__wrapped__"]  # its annotations are not this one's
    return with_options


def filter_of(
    *,
    agent: str | None = None,
    version: str | None = None,
    status: Sequence[str] | None = None,
    key: str | None = None,
    tag: Sequence[str] | None = None,
    since: str | None = None,
    until: str | None = None,
    error: str | None = None,
    root: str | None = None,
) -> RunFilter:
    """The filter that the options say.

    Raises:
        BadOption: one makes no sense; the message names it.
    """
    return RunFilter(
        agent=agent,
        version=version,
        statuses=statuses_of(status or ()),
        key=key,
        tags=tuple(tag or ()),
        since=_instant(since, "--since"),
        until=_instant(until, "--until"),
        error=error,
        root=root,
    )


def statuses_of(given: Sequence[str]) -> tuple[Status, ...]:
    """Statuses by their names, one or several in each text.

    Raises:
        BadOption: there is no such status.
    """
    words = [word.strip() for text in given for word in text.split(",")]
    if unknown := [word for word in words if word not in set(Status)]:
        raise BadOption(f"--status {unknown[0]!r}: choose from {', '.join(Status)}")
    return tuple(Status(word) for word in words)


def with_children(which: RunFilter, wanted: bool) -> RunFilter:
    """The same without children of other runs, unless they are wanted, or a tree was asked for."""
    return replace(which, roots_only=not wanted and which.root is None)


def asks_for_anything(which: RunFilter) -> bool:
    """Whether any option of the query was given."""
    return which != RunFilter(limit=which.limit, roots_only=which.roots_only, before=which.before)


async def found(client: Client, which: RunFilter) -> AsyncIterator[Run]:
    """The runs of a query, newest first, ``which.limit`` of them at the most; read a page at a time."""
    left = which.limit
    while left and (page := await client.find(replace(which, limit=min(left, _PAGE)))):
        for run in page:
            yield run
        left -= len(page)
        which = replace(which, before=page[-1].id)


def _instant(text: str | None, option: str) -> int | None:
    """A time, or the time so long ago."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return _ago(text, option)
    return from_datetime(when if when.tzinfo else when.replace(tzinfo=UTC))


def _ago(text: str, option: str) -> int:
    try:
        return max(0, SystemClock().now() - micros(text))  # stores know no times before 1970
    except BadOption:
        said = (
            "write a time (UTC unless it says otherwise) such as 2026-11-23 or 2026-11-23T08:00+01:00, or an age such"
        )
        raise BadOption(f"{option} {text!r}: {said} as 90s, 12h, 2d") from None
