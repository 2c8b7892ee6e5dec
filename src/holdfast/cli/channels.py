"""``holdfast channels add | list | remove | test | dead | revive``: where people are told of what is asked of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import typer

from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.channels import Channels
from holdfast.approvals.notifications.quiet import Quiet
from holdfast.approvals.routing import people, spoken
from holdfast.cli import options
from holdfast.cli.codes import Conflict
from holdfast.cli.output import document, say, table
from holdfast.cli.people import actor
from holdfast.cli.stores import client_of
from holdfast.clock import SECOND, SystemClock, micros
from holdfast.errors import BadOption, UsageError
from holdfast.records.outbox import Message
from holdfast.store.base import Store
from holdfast.wire.values import iso

T = TypeVar("T")

_PAGE = 1000
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
    made = asyncio.run(_with(store, app, lambda channels: channels.add(channel)))
    if as_json:
        document(made)
        return
    say(f"channel {made['id']} is there: {made['address']}")
    if made["secret"] and not secret:
        say(f"its messages are signed with {made['secret']}")


def list_channels(store: options.Store = None, app: options.Of = None, as_json: options.Json = False) -> None:
    """List channels, without what is secret in them."""
    found = asyncio.run(_with(store, app, lambda channels: channels.list()))
    if as_json:
        document({"channels": found})
        return
    headers = ("CHANNEL", "ADDRESS", "FOR", "RISK", "EVENTS", "DIGEST", "QUIET", "URGENT", "DISABLED")
    table(headers, [_row(one) for one in found])


def remove(
    channel_id: ChannelId, store: options.Store = None, app: options.Of = None, as_json: options.Json = False
) -> None:
    """Remove a channel; what it was still to be told is dropped."""
    asyncio.run(_with(store, app, lambda channels: channels.remove(channel_id)))
    document({"removed": channel_id}) if as_json else say(f"channel {channel_id} is removed")


def test(
    channel_id: ChannelId, store: options.Store = None, app: options.Of = None, as_json: options.Json = False
) -> None:
    """Send a message that says nothing, from this machine or the server's, and say what became of it."""
    error = asyncio.run(_with(store, app, lambda channels: channels.test(channel_id)))
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
    found = asyncio.run(_with(store, app, lambda channels: channels.dead(limit)))
    if as_json:
        document({"messages": found})
        return
    names = ("number", "channel", "event", "about", "at", "tries", "error")
    rows = [[one[name] for name in names] for one in found]
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
    done = asyncio.run(_with(store, app, lambda channels: _revive(channels, numbers or [])))
    are = "message is" if len(done) == 1 else "messages are"
    document({"revived": done}) if as_json else say(f"{len(done)} {are} tried again")


class _Local:
    """The channels of a store, with the verbs that those behind a server have."""

    def __init__(self, store: Store) -> None:
        self._store, self._channels = store, Channels(store, SystemClock())

    async def add(self, channel: Channel) -> dict[str, Any]:
        made = await self._channels.add(channel, by=actor())
        return _json(made) | {"secret": made.secret.get_secret_value()}

    async def list(self) -> Sequence[dict[str, Any]]:
        return [_json(one) for one in await self._channels.all()]

    async def remove(self, channel_id: str) -> None:
        await self._channels.remove(channel_id, by=actor())

    async def dead(self, limit: int, after: int = 0) -> Sequence[dict[str, Any]]:
        return [_message(one) for one in await self._channels.dead(after=after, limit=limit)]

    async def revive(self, number: int) -> None:
        await self._channels.revive(number, by=actor())

    async def test(self, channel_id: str) -> str:
        from holdfast.approvals.notifications.postman import Postman  # the other verbs do without an HTTP client

        async with Postman(self._store, SystemClock()) as postman:
            answer = await postman.test(await self._channels.get(channel_id))
        await self._channels.tested(channel_id, answer.error, by=actor())
        return answer.error


class _Remote:
    """The channels of a server's store."""

    def __init__(self, api: Any) -> None:
        self._api = api

    async def add(self, channel: Channel) -> dict[str, Any]:
        secrets = {"url": channel.url.get_secret_value(), "secret": channel.secret.get_secret_value()}
        given = channel.model_dump(mode="json", exclude={"disabled", "by", "made_at"})
        made: dict[str, Any] = await self._api.post("/api/channels", given | secrets)
        return made

    async def list(self) -> Sequence[dict[str, Any]]:
        found: Sequence[dict[str, Any]] = (await self._api.get("/api/channels"))["channels"]
        return found

    async def remove(self, channel_id: str) -> None:
        await self._api.delete(f"/api/channels/{quote(channel_id, safe='')}")

    async def dead(self, limit: int, after: int = 0) -> Sequence[dict[str, Any]]:
        page = await self._api.get("/api/messages/dead", after=after, limit=min(limit, _PAGE))
        found: Sequence[dict[str, Any]] = page["messages"]
        return found

    async def revive(self, number: int) -> None:
        await self._api.post(f"/api/messages/dead/{number}/revive")

    async def test(self, channel_id: str) -> str:
        return str((await self._api.post(f"/api/channels/{quote(channel_id, safe='')}/test"))["error"])


_Verbs = _Local | _Remote


async def _with(store: str | None, app: str | None, act: Callable[[_Verbs], Awaitable[T]]) -> T:
    async with client_of(store, app) as client:
        api = getattr(client.store, "api", None)
        return await act(_Local(client.store) if api is None else _Remote(api))


async def _revive(channels: _Verbs, numbers: Sequence[int]) -> list[int]:
    if numbers:
        for number in numbers:
            await channels.revive(number)
        return list(numbers)
    done: list[int] = []
    while page := await channels.dead(_PAGE, after=done[-1] if done else 0):
        done += await _revive(channels, [one["number"] for one in page])
    return done


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
    return shown | {"address": one.address, "made_at": iso(one.made_at)}


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    whom = spoken(one["to"]) if one["to"] else "everybody"
    digest = f"{one['digest']} s" if one["digest"] else ""
    quiet = "" if one["quiet"] is None else str(Quiet.model_validate(one["quiet"]))
    urgent = "" if one["urgent"] is None else one["urgent"]
    events = ", ".join(one["events"])
    return one["id"], one["address"], whom, one["min_risk"], events, digest, quiet, urgent, one["disabled"]


def _message(one: Message) -> dict[str, Any]:
    return {
        "number": one.n, "event": one.event, "about": one.about, "channel": one.channel, "at": iso(one.at),
        "tries": one.tries, "error": one.error,
    }  # fmt: skip
