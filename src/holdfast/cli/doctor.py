"""``holdfast doctor``: what is wrong, or soon will be, and what to do about it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from holdfast.cli import options
from holdfast.cli.apps import load
from holdfast.cli.codes import Exit
from holdfast.cli.output import at_terminal, document, say
from holdfast.cli.stores import client_of, url_of
from holdfast.clock import SystemClock
from holdfast.console import on_line
from holdfast.durable.checkup import examine, worst
from holdfast.errors import StoreUnusable, UsageError
from holdfast.records.health import Finding, Severity
from holdfast.records.worker import Hosted
from holdfast.runtime import health_of, is_server
from holdfast.wire.house import finding_json, finding_of

_STYLE = {Severity.OK: "green", Severity.NOTE: "cyan", Severity.WARNING: "yellow", Severity.PROBLEM: "bold red"}
_WORDS = {Severity.PROBLEM: "problem", Severity.WARNING: "warning", Severity.NOTE: "note"}


def doctor(
    store: options.Store = None,
    app: options.Of = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Check every page and index of the store, however long that takes.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Look for what is wrong with a store, its workers, its runs and this machine; or a server's, if --store is one.

    Changes nothing, and does not wait for long. With --app, commands name that app. Exit code 1 if there is a problem.
    """
    url, findings = _examined(store, app, deep=deep)
    if as_json:
        document({"store": url, "worst": str(worst(findings)), "findings": [finding_json(one) for one in findings]})
    else:
        _show(url, findings)
    if worst(findings) is Severity.PROBLEM:
        raise typer.Exit(Exit.RUN_FAILED)


def _examined(store: str | None, app: str | None, *, deep: bool) -> tuple[str | None, list[Finding]]:
    hosted = load(app).catalog.hosted() if app is not None else []
    url: str | None = None
    try:
        url = url_of(store, app)
        if is_server(url):
            return url, asyncio.run(_told(url, hosted, app or "MODULE:APP", deep=deep))
        health = health_of(url)
    except StoreUnusable as error:
        return url, [
            Finding(severity=Severity.PROBLEM, about="store", what=f"{error}", do="holdfast doctor --store URL")
        ]
    return url, examine(health, clock=SystemClock(), hosted=hosted, place=app or "MODULE:APP", deep=deep)


async def _told(url: str, hosted: Sequence[Hosted], place: str, *, deep: bool) -> list[Finding]:
    """What a server finds: of the store behind it, and of its own machine."""
    if deep:
        raise UsageError("--deep reads the whole store, however long that takes: run it where the database is")
    async with client_of(url) as client:
        named = [f"{one.agent}@{one.version}" for one in hosted]
        answer = await client.store.api.get("/api/doctor", hosted=named, place=place)  # type: ignore[attr-defined]  # a server's has one
        return [finding_of(line) for line in answer["findings"]]


def _show(url: str | None, findings: Sequence[Finding]) -> None:
    if url is not None:
        say(f"{on_line(url)}\n")
    width = max(len(finding.about) for finding in findings)
    for finding in findings:
        _show_one(finding, width)
    counts = Counter(finding.severity for finding in findings)
    said = [f"{counts[each]} {word}{'s' if counts[each] > 1 else ''}" for each, word in _WORDS.items() if counts[each]]
    say(f"\n{', '.join(said) or 'all is well'}")


def _show_one(finding: Finding, width: int) -> None:
    severity, about = str(finding.severity).ljust(7), finding.about.ljust(width)
    lines = [f"  {about}  {on_line(finding.what)}"]
    if finding.do:
        lines.append(f"{' ' * (width + 11)}→ {on_line(finding.do)}")
    if not at_terminal():
        say("\n".join([severity + lines[0], *lines[1:]]))
        return
    import rich.console
    import rich.text

    shown = rich.text.Text.assemble((severity, _STYLE[finding.severity]), "\n".join(lines))
    rich.console.Console().print(shown, soft_wrap=True)
