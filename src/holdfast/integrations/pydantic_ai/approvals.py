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
from pydantic_ai.tools import (
    DeferredToolRequests,
    DeferredToolResults,
    RunContext,
    ToolApproved,
    ToolDefinition,
    ToolDenied,
)
from pydantic_core import to_jsonable_python

from holdfast import codec
from holdfast.durable import context
from holdfast.durable.calls import Call, Target
from holdfast.durable.client import Client
from holdfast.durable.context import Promise
from holdfast.durable.recorded import name_in, scope_of
from holdfast.durable.scope import Scope, current_scope
from holdfast.errors import PromiseFailed
from holdfast.integrations.pydantic_ai import agentrun, transcript
from holdfast.integrations.pydantic_ai.agentrun import AgentRun
from holdfast.integrations.pydantic_ai.decisions import ToolDecision, schema_for
from holdfast.integrations.steps import plain
from holdfast.records.journal import Kind, Op

_ASK = ":ask"


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
    scope, run = agentrun.present("an approval was asked for", agent, ctx.run_id)
    kinds = [(call, "approval") for call in requests.approvals] + [(call, "result") for call in requests.calls]
    waiting = [
        _Waiting(agent, run, call, requests.metadata.get(call.tool_call_id), ctx.tools.get(call.tool_name), kind)
        for call, kind in kinds
    ]
    if not waiting:
        return None
    await _record(agent, scope, run, ctx, waiting)
    results = DeferredToolResults()
    for each in waiting:
        if each.kind == "approval":
            results.approvals[each.call.tool_call_id] = await each.approval()
        else:
            results.calls[each.call.tool_call_id] = await each.result()
    return results


class _Waiting:
    """A call that waits for somebody."""

    def __init__(
        self, agent: str, run: AgentRun, call: ToolCallPart, metadata: Any, tool: ToolDefinition | None, kind: str
    ) -> None:
        self.call = call
        self.kind = kind
        self.metadata = metadata
        type = ToolDecision if kind == "approval" else Any
        schema = schema_for(tool.parameters_json_schema) if kind == "approval" and tool is not None else None
        self.promise = declared(agent, run, f"{call.tool_name}.{kind}", call.tool_call_id, type, schema)

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
            "promise": self.promise.key,  # without the run: a fork of it has a promise of its own
            "tool": self.call.tool_name,
            "arguments": self.call.args_as_dict(),
            "tool_call_id": self.call.tool_call_id,
            "kind": self.kind,
            "metadata": to_jsonable_python(self.metadata, fallback=str),
        }


async def _record(agent: str, scope: Scope, run: AgentRun, ctx: RunContext[Any], waiting: list[_Waiting]) -> None:
    """Record what is asked, with what was said: messages that an earlier ask of the run has recorded by their place."""
    calls = [each.shown() for each in waiting]
    shown = {"agent": agent, "calls": calls, "messages": transcript.of(scope).refer(ctx.messages)}

    async def ask(calls: list[Any]) -> dict[str, Any]:
        return shown

    name = f"{agent}{_ASK}"
    await Call(Target(op=Op.STEP, name=name, fn=ask), (calls,), {}).using(key=run.key(name))


def declared(
    agent: str, run: AgentRun, name: str, own: str | None, type: Any, schema: bytes | None = None
) -> Promise[Any]:
    """A promise of a run of an agent."""
    scope = current_scope(f"promise {name} was declared")
    key = f"{agent}.{name}.{run.key(f'~{name}', own)}"
    return context.declared(scope, plain(key), type, schema)


class Waiter(ExternalEventWaiter):
    """The library's waits for the outside (``RequestInput``, ``wait_for_external_event``), as promises.

    The resume token is the promise's id: ``await client.resolve(token, answer)``.
    """

    def __init__(self, agent: str, run: AgentRun) -> None:
        self._agent = agent
        self._run = run

    async def wait(
        self, name: str, *, ask: Callable[[str], Awaitable[JsonValue]], timeout: timedelta | None
    ) -> JsonValue:
        promise = declared(self._agent, self._run, name, None, Any)

        async def hand_out(key: str) -> Any:
            return await ask(promise.id)

        step = f"{self._agent}:hand-out.{plain(name)}"
        target = Target(op=Op.STEP, name=step, fn=hand_out)
        answer: JsonValue = await Call(target, (promise.key,), {}).using(key=self._run.key(step))
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

    What is decided and not yet taken note of may be among it. Nothing waits in a run that has ended.

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
    if (await client.info(run_id)).status.ended:
        return []
    async for entry in client.journal(run_id):
        if entry.kind is not Kind.OUTCOME:
            continue
        if entry.op is Op.PROMISE:
            settled.add(entry.key)
        elif entry.op is Op.STEP and entry.ok and name_in(entry.key).endswith(_ASK):
            asks.append({"scope": scope_of(entry.key), **json.loads(codec.unpack(entry.value))})
    return _pending(run_id, asks, settled)


def _pending(run_id: str, asks: list[dict[str, Any]], settled: set[str]) -> list[PendingCalls]:
    said: dict[str, list[Any]] = defaultdict(list)
    found = []
    for ask in asks:
        messages = transcript.restored(ask["messages"], said[ask["scope"]])
        calls = [_call(run_id, call) for call in ask["calls"] if call["promise"] not in settled]
        if calls:
            found.append(PendingCalls(agent=ask["agent"], calls=calls, messages=messages))
    return found


def _call(run_id: str, recorded: dict[str, Any]) -> PendingCall:
    return PendingCall(**{**recorded, "promise": f"{run_id}/{recorded['promise']}"})
