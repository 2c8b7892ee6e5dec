"""Starting runs for people: with the types of an app's code if it is at hand, else as the JSON that they gave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from holdfast import codec
from holdfast.clock import SECOND, micros, new_id
from holdfast.durable.client import Client
from holdfast.durable.given import call_given
from holdfast.durable.operations import checked_tags
from holdfast.errors import BadOption, KeyConflict, TooLarge, UnknownAgent, UsageError
from holdfast.records.run import NewRun, Started
from holdfast.records.worker import Hosted
from holdfast.server.shapes_of_runs import Start

_LONGEST = 100 * 366 * 86_400 * SECOND


async def start(client: Client, asked: Start, *, by: str) -> Started:
    """Start what is asked for; ``by`` is kept as who did.

    Raises:
        UnknownAgent: nobody hosts it.
        UsageError: the arguments do not fit, or a version must be said.
        KeyConflict: the key or the id belongs to a run with another input.
    """
    new = await _new(client, asked, by)
    if not await client.hosted(Hosted(agent=new.agent, version=new.version)):
        raise UnknownAgent(f"agent {new.agent!r} version {new.version!r} is hosted by no live worker: start one")
    (started,) = await client.store.start([new])
    if started.digest != new.digest:
        named = f"key {asked.key!r} of agent {asked.agent}" if asked.key is not None else f"id {new.id}"
        raise KeyConflict(f"{named} belongs to run {started.id}, which has another input: use another, or look at it")
    return started


async def start_all(client: Client, asked: Sequence[Start], *, by: str) -> list[Started]:
    """Start what is asked for in one transaction, whether anybody hosts it yet or not; keys may conflict.

    Raises:
        UsageError: the arguments do not fit, or a version must be said.
    """
    return await client.store.start([await _new(client, one, by) for one in asked])


async def _new(client: Client, asked: Start, by: str) -> NewRun:
    version, at = asked.version or await _version(client, asked.agent), client.now()
    arguments = _arguments(client, Hosted(agent=asked.agent, version=version), asked)
    run_id = asked.id or new_id(at)
    return NewRun(
        id=run_id, agent=asked.agent, version=version, input=codec.pack(arguments),
        digest=codec.fingerprint(arguments), root=run_id, key=asked.key, priority=asked.priority,
        timeout=_timeout(asked.timeout), tags=checked_tags(asked.tags), by=by, at=at,
    )  # fmt: skip


async def _version(client: Client, agent: str) -> str:
    known = client.versions(agent)
    if known:
        return known[-1]
    hosted = {one.version for worker in await client.workers() for one in worker.hosts if one.agent == agent}
    if len(hosted) == 1:
        return hosted.pop()
    if hosted:
        raise BadOption(f"agent {agent!r} has versions {', '.join(sorted(hosted))}: say which")
    raise UnknownAgent(f"agent {agent!r} is hosted by no live worker: GET /api/agents lists those there are")


def _arguments(client: Client, hosted: Hosted, asked: Start) -> bytes:
    if asked.input_text is not None:
        return _as_given(asked.input_text)
    given: Any = {} if asked.input is None else asked.input
    agent = client.defined(hosted)
    if agent is not None:
        return call_given(agent, given).packed_arguments()
    if isinstance(given, list):
        raise BadOption("this server does not have the agent's code: give its arguments by name, as an object")
    return _fitting(codec.canonical(given))


def _as_given(text: str) -> bytes:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"input_text is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError("input_text is no object: its members are the agent's arguments, by name")
    return _fitting(text.encode())


def _fitting(arguments: bytes) -> bytes:
    if len(arguments) > codec.MAX_VALUE:
        raise TooLarge(f"the arguments have {len(arguments):,} bytes, above {codec.MAX_VALUE:,}: pass a reference")
    return arguments


def _timeout(text: str | None) -> int | None:
    if text is None:
        return None
    if (found := micros(text)) > _LONGEST:
        raise BadOption(f"a timeout of {text} is longer than any run can take")
    return found
