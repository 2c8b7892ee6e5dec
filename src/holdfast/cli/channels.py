"""``holdfast channels add | list | remove | test | dead | revive``: where people are told of what is asked of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.channels import Channels
from holdfast.approvals.notifications.quiet import Quiet
from holdfast.approvals.routing import people, spoken
from holdfast.cli import options, views
from holdfast.cli.codes import Conflict
from holdfast.cli.output import document, say, table
from holdfast.cli.people import actor
from holdfast.cli.stores import client_of
from holdfast.clock import SECOND, SystemClock, micros
from holdfast.console import on_line
from holdfast.errors import BadOption, UsageError
from holdfast.records.outbox import Message
from holdfast.store.base import Store

ChannelId = Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel's name.")]


def add(
    channel_id: ChannelId,
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL|@FILE|-", help="https://… is a webhook, any other an address of apprise. A secret."
        ),
    ],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="WHOM", help="Only what is asked of this person, or of role:…; repeatable."),
    ] = None,
    min_risk: Annotated[int, typer.Option(min=0, max=100, help="Only what is at least so risky.")] = 0,
    event: Annotated[
        list[str] | None, typer.Option("--event", metavar="EVENT", help="asked (by default), ended; repeatable.")
    ] = None,
    digest: Annotated[str, typer.Option(metavar="AGE", help="Tell together what comes within so long: 15m.")] = "0s",
    quiet: Annotated[
        str | None, typer.Option(metavar="HOURS", help="When to tell nothing: '22:00-07:00 Europe/Lisbon'.")
    ] = None,
    urgent: Annotated[
        int, typer.Option(min=0, max=101, help="What is so risky is told at once, even then; 101: nothing is.")
    ] = 80,
    details: Annotated[bool, typer.Option("--details", help="Tell arguments, values and facts too.")] = False,
    server: Annotated[
        str, typer.Option(metavar="URL", envvar="HOLDFAST_PUBLIC_URL", help="Where people decide: links lead there.")
    ] = "",
    secret: Annotated[
        str | None, typer.Option(metavar="SECRET|@FILE", help="What a webhook is signed with; made if not given.")
    ] = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Add a channel. What is asked from then on is told there; the secret of a webhook is printed, and never again."""
    channel = Channel.made(
        id=channel_id, url=_secret(url), secret=_secret(secret or ""), to=people(to or ()), min_risk=min_risk,
        events=tuple(event or ("asked",)), digest=micros(digest) // SECOND, quiet=Quiet.of(quiet) if quiet else None,
        urgent=urgent if urgent <= 100 else None, details=details, server=server,
    )  # fmt: skip
    made = asyncio.run(_add(channel, store, app))
    told = made.secret.get_secret_value()
    if as_json:
        document(_json(made) | {"secret": told or None})
        return
    say(f"channel {made.id} is there: {made.address}")
    if told and not secret:
        say(f"its messages are signed with {told}")


def list_channels(store: options.Store = None, app: options.Of = None, as_json: options.Json = False) -> None:
    """List channels, without what is secret in them."""
    found = asyncio.run(_list(store, app))
    if as_json:
        document({"channels": [_json(one) for one in found]})
        return
    headers = ("CHANNEL", "ADDRESS", "FOR", "RISK", "EVENTS", "DIGEST", "QUIET", "URGENT", "DISABLED")
    table(headers, [_row(one) for one in found])


def remove(
    channel_id: ChannelId, store: options.Store = None, app: options.Of = None, as_json: options.Json = False
) -> None:
    """Remove a channel; what it was still to be told is dropped."""
    asyncio.run(_remove(channel_id, store, app))
    document({"removed": channel_id}) if as_json else say(f"channel {channel_id} is removed")


def test(
    channel_id: ChannelId, store: options.Store = None, app: options.Of = None, as_json: options.Json = False
) -> None:
    """Send a message that says nothing, from this machine, and say what became of it."""
    error = asyncio.run(_test(channel_id, store, app))
    if error:
        raise Conflict(f"channel {channel_id} was not told: {error}")
    document({"channel": channel_id, "ok": True}) if as_json else say(f"channel {channel_id} was told")


def dead(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 100,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """List messages that could not be delivered and were given up."""
    found = asyncio.run(_dead(limit, store, app))
    if as_json:
        document({"messages": [_message(one) for one in found]})
        return
    rows = [(one.n, one.channel, one.event, one.about, views.short(one.at), one.tries, one.error) for one in found]
    table(("MESSAGE", "CHANNEL", "EVENT", "APPROVAL", "AT", "TRIES", "ERROR"), rows)


def revive(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="MESSAGE", help="Numbers of messages.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Try messages again that were given up. A channel that was disabled is enabled by that."""
    if bool(numbers) == everything:
        raise BadOption("which messages? Give their numbers, or --all: one of the two")
    done = asyncio.run(_revive(numbers or [], store, app))
    are = "message is" if len(done) == 1 else "messages are"
    document({"revived": done}) if as_json else say(f"{len(done)} {are} tried again")


@asynccontextmanager
async def _opened(store: str | None, app: str | None) -> AsyncIterator[tuple[Store, Channels]]:
    async with client_of(store, app) as client:
        if getattr(client.store, "api", None) is not None:
            raise UsageError("channels are kept in the database: give --store sqlite:///… or postgresql://…")
        yield client.store, Channels(client.store, SystemClock())


async def _add(channel: Channel, store: str | None, app: str | None) -> Channel:
    async with _opened(store, app) as (_, channels):
        return await channels.add(channel, by=actor())


async def _list(store: str | None, app: str | None) -> list[Channel]:
    async with _opened(store, app) as (_, channels):
        return await channels.all()


async def _remove(channel_id: str, store: str | None, app: str | None) -> None:
    async with _opened(store, app) as (_, channels):
        await channels.remove(channel_id, by=actor())


async def _test(channel_id: str, store: str | None, app: str | None) -> str:
    from holdfast.approvals.notifications.postman import Postman  # the other verbs do without an HTTP client

    async with _opened(store, app) as (opened, channels), Postman(opened, SystemClock()) as postman:
        return (await postman.test(await channels.get(channel_id))).error


async def _dead(limit: int, store: str | None, app: str | None) -> list[Message]:
    async with _opened(store, app) as (_, channels):
        return await channels.dead(limit=limit)


async def _revive(numbers: Sequence[int], store: str | None, app: str | None) -> list[int]:
    async with _opened(store, app) as (_, channels):
        chosen = numbers or [one.n for one in await channels.dead(limit=100_000)]
        for n in chosen:
            await channels.revive(n, by=actor())
        return list(chosen)


def _secret(given: str) -> str:
    """What was given, or what is in a file or on standard input: commands are seen by others, and remembered."""
    try:
        if given == "-":
            return sys.stdin.read().strip()
        return Path(given[1:]).read_text(encoding="utf-8").strip() if given.startswith("@") else given
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"it cannot be read: {error}") from error


def _json(one: Channel) -> dict[str, Any]:
    shown = one.model_dump(mode="json", exclude={"url", "secret", "made_at"})
    quiet = None if one.quiet is None else str(one.quiet)
    return shown | {"address": one.address, "quiet": quiet, "made_at": views.iso(one.made_at)}


def _row(one: Channel) -> tuple[object, ...]:
    whom = spoken(one.to) if one.to else "everybody"
    digest = f"{one.digest} s" if one.digest else ""
    urgent = "" if one.urgent is None else one.urgent
    quiet, events = one.quiet or "", ", ".join(one.events)
    return one.id, one.address, whom, one.min_risk, events, digest, quiet, urgent, on_line(one.disabled)


def _message(one: Message) -> dict[str, Any]:
    return {
        "message": one.n, "channel": one.channel, "event": one.event, "approval": one.about or None,
        "at": views.iso(one.at), "tries": one.tries, "error": one.error,
    }  # fmt: skip
