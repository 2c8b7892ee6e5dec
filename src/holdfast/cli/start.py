"""``holdfast start``: starts a run."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from holdfast.cli import options
from holdfast.cli.apps import load
from holdfast.cli.codes import Exit
from holdfast.cli.inputs import call_of
from holdfast.cli.output import document, say
from holdfast.cli.watch import follow_to_end
from holdfast.durable.calls import Call
from holdfast.durable.catalog import Agent, Catalog
from holdfast.durable.client import Client
from holdfast.durable.timekeeper import clock_of
from holdfast.records.worker import Hosted
from holdfast.runtime import App


def start(
    place: options.AppName,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[JSON]...", help="Its arguments, each a JSON value.")
    ] = None,
    given: Annotated[
        str | None,
        typer.Option("--input", metavar="JSON|@FILE|-", help="All arguments: an object (by name) or a list."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="An idempotency key: the same key never starts a second run.")] = None,
    priority: Annotated[int, typer.Option(help="Runs with a higher one are claimed first.")] = 0,
    tag: Annotated[
        list[str] | None, typer.Option(help="A word by which the run can be found; may be repeated.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Of the agent; the one defined last by default.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run until its end, as `runs watch` does.")] = False,
    store: options.AppStore = None,
    as_json: options.Json = False,
) -> int:
    """Start a run of an agent and print its id. The run is durable then; a worker executes it."""
    app = load(place)
    call = _call(app, agent, version, arguments or [], given)
    how: dict[str, Any] = {"key": key, "priority": priority, "tags": tag or ()}
    return asyncio.run(_start(app, store, call, how, wait=wait, as_json=as_json))


def _call(app: App[Any], name: str, version: str | None, arguments: list[str], given: str | None) -> Call[Any]:
    agent = _agent(app, name, version)
    call = call_of(agent, arguments, given)
    return call if version in (None, agent.version) else call.using(version=version)


def _agent(app: App[Any], name: str, version: str | None) -> Agent[Any, Any]:
    """The version asked for; or another, whose signature must do, where only a worker elsewhere has that one."""
    known = version is not None and Hosted(agent=name, version=version) in app.catalog.agents
    return app.catalog.agent(name, version if known else None)


async def _start(
    app: App[Any], store: str | None, call: Call[Any], how: dict[str, Any], *, wait: bool, as_json: bool
) -> int:
    async with app.connect(store) as client:
        run = await client.start(call, **how)
        if not as_json:
            say(run.id)
        elif not wait:
            document({"run": run.id})
        if not wait:
            return Exit.OK
        return await follow_to_end(
            Client(client.store, Catalog(), await clock_of(client.store)), run.id, as_json=as_json
        )
