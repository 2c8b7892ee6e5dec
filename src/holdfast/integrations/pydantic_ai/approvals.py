"""Tools that wait for a person: the library's deferred calls as promises of the run."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import JsonValue
from pydantic_ai.durable_exec import ExternalEventError, ExternalEventWaiter
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.messages import ModelMessage, ToolCallPart
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, RunContext, ToolApproved, ToolDenied
from pydantic_core import to_jsonable_python

from holdfast import codec
from holdfast.durable.calls import Call, Target
from holdfast.durable.client import Client
from holdfast.durable.context import Context, Promise
from holdfast.durable.recorded import name_in, scope_of
from holdfast.errors import PromiseFailed
from holdfast.integrations.pydantic_ai import agentrun, transcript
from holdfast.records.journal import Kind, Op

_ASK = ":ask"


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolDecision:
    """What a person says to a call that a tool is to be approved for; resolve its promise with one, or with its JSON.

    Attributes:
        approved: whether the call is made.
        arguments: made with these instead of what the model wrote.
        message: to the model, if it is not made: why.

    Example:
        >>> async def main(client, pending):
        ...     await client.resolve(pending.promises["pay"], {"approved": True, "arguments": {"amount": 90}})
    """

    approved: bool
    arguments: dict[str, Any] | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingCall:
    """A call of a tool that waits for somebody.

    Attributes:
        promise: the id of the promise: ``await client.resolve(call.promise, …)``.
        tool: its name.
        arguments: as the model wrote them.
        tool_call_id: what the messages call it by.
        kind: ``"approval"`` takes a :class:`ToolDecision`; ``"result"`` takes what the tool returns.
        metadata: what the tool says about it.
    """

    promise: str
    tool: str
    arguments: dict[str, Any]
    tool_call_id: str
    kind: str
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingCalls:
    """What an agent has asked for.

    Attributes:
        agent: its name.
        calls: that it waits for.
        messages: all that was said until then.
    """

    agent: str
    calls: list[PendingCall]
    messages: list[ModelMessage] = field(default_factory=list)


async def decided(agent: str, ctx: RunContext[Any], requests: DeferredToolRequests) -> DeferredToolResults | None:
    """What people have decided on the calls; the run waits for them, in rows only."""
    waiting = [_Waiting(agent, call, "approval", requests) for call in requests.approvals]
    waiting += [_Waiting(agent, call, "result", requests) for call in requests.calls]
    if not waiting:
        return None
    await _record(agent, ctx, waiting)
    results = DeferredToolResults()
    for each in waiting:
        if each.kind == "approval":
            results.approvals[each.call.tool_call_id] = await each.approval()
        else:
            results.calls[each.call.tool_call_id] = await each.result()
    return results


class _Waiting:
    """A call that waits for somebody."""

    def __init__(self, agent: str, call: ToolCallPart, kind: str, requests: DeferredToolRequests) -> None:
        self.call = call
        self.kind = kind
        self.metadata = requests.metadata.get(call.tool_call_id)
        name = f"{call.tool_name}.{kind}"
        self.promise = declared(agent, name, call.tool_call_id, ToolDecision if kind == "approval" else Any)

    async def approval(self) -> ToolApproved | ToolDenied:
        try:
            decision: ToolDecision = await self.promise
        except PromiseFailed as failed:
            return ToolDenied(f"No decision on this call: {failed.message}")
        if decision.approved:
            return ToolApproved(override_args=decision.arguments)
        return ToolDenied(decision.message) if decision.message else ToolDenied()

    async def result(self) -> Any:
        try:
            return await self.promise
        except PromiseFailed as failed:
            return ToolFailed(f"No result of this call: {failed.message}")

    def shown(self) -> dict[str, Any]:
        return {
            "promise": self.promise.id,
            "tool": self.call.tool_name,
            "arguments": self.call.args_as_dict(),
            "tool_call_id": self.call.tool_call_id,
            "kind": self.kind,
            "metadata": to_jsonable_python(self.metadata, fallback=str),
        }


async def _record(agent: str, ctx: RunContext[Any], waiting: list[_Waiting]) -> None:
    """Record what is asked, with what was said: messages that an earlier ask of the run has recorded by their place."""
    scope, run = agentrun.present("an approval was asked for", agent)
    calls = [each.shown() for each in waiting]
    shown = {"agent": agent, "calls": calls, "messages": transcript.of(scope).refer(ctx.messages)}

    async def ask(calls: list[Any]) -> dict[str, Any]:
        return shown

    name = f"{agent}{_ASK}"
    await Call(Target(op=Op.STEP, name=name, fn=ask), (calls,), {}).using(key=run.key(name))


def declared(agent: str, name: str, own: str | None, type: Any) -> Promise[Any]:
    """A promise of the present run of an agent."""
    scope, run = agentrun.present(f"promise {name} was declared", agent)
    key = f"{agent}.{name}.{run.key(f'~{name}', own)}"
    return Context(scope.core, None).promise(agentrun.plain(key), type)


class Waiter(ExternalEventWaiter):
    """The library's waits for the outside (``RequestInput``, ``wait_for_external_event``), as promises.

    The resume token is the promise's id: ``await client.resolve(token, answer)``.
    """

    def __init__(self, agent: str) -> None:
        self._agent = agent

    async def wait(
        self, name: str, *, ask: Callable[[str], Awaitable[JsonValue]], timeout: timedelta | None
    ) -> JsonValue:
        promise = declared(self._agent, name, None, Any)

        async def hand_out(token: str) -> Any:
            return await ask(token)

        _, run = agentrun.present(f"{name} was waited for", self._agent)
        step = f"{self._agent}:hand-out.{agentrun.plain(name)}"
        target = Target(op=Op.STEP, name=step, fn=hand_out)
        answer: JsonValue = await Call(target, (promise.id,), {}).using(key=run.key(step))
        return answer if answer is not None else await _awaited(promise, timeout)


async def _awaited(promise: Promise[Any], timeout: timedelta | None) -> JsonValue:
    try:
        async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
            answer: JsonValue = await promise
            return answer
    except TimeoutError:
        raise ExternalEventError(f"no answer within {timeout}") from None
    except PromiseFailed as failed:
        raise ExternalEventError(failed.message) from failed


async def pending_calls(client: Client, run_id: str) -> list[PendingCalls]:
    """What a run's agents wait for people to decide, with all that was said before.

    What is decided and not yet taken note of may be among it.

    Raises:
        UnknownRun: there is no such run.

    Example:
        >>> async def main(client, run):
        ...     for asked in await pending_calls(client, run.id):
        ...         for call in asked.calls:
        ...             await client.resolve(call.promise, {"approved": True})
    """
    asks: list[dict[str, Any]] = []
    settled: set[str] = set()
    async for entry in client.journal(run_id):
        if entry.kind is not Kind.OUTCOME or not entry.ok:
            continue
        if entry.op is Op.PROMISE:
            settled.add(f"{run_id}/{entry.key}")
        elif entry.op is Op.STEP and name_in(entry.key).endswith(_ASK):
            asks.append({"scope": scope_of(entry.key), **json.loads(codec.unpack(entry.value))})
    return _pending(asks, settled)


def _pending(asks: list[dict[str, Any]], settled: set[str]) -> list[PendingCalls]:
    said: dict[str, list[Any]] = defaultdict(list)
    found = []
    for ask in asks:
        messages = transcript.restored(ask["messages"], said[ask["scope"]])
        calls = [PendingCall(**call) for call in ask["calls"] if call["promise"] not in settled]
        if calls:
            found.append(PendingCalls(agent=ask["agent"], calls=calls, messages=messages))
    return found
