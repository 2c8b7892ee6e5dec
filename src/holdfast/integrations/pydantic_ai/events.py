"""Tokens as they come: model events told to whoever watches the run."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from pydantic import TypeAdapter
from pydantic_ai.agent import EventStreamHandler
from pydantic_ai.messages import AgentStreamEvent
from pydantic_ai.tools import AgentDepsT, RunContext

from holdfast.durable.events import teller

_EVENT: TypeAdapter[Any] = TypeAdapter(AgentStreamEvent)


class Publisher:
    """Tells each event of a model's stream, then gives it to the agent's own handler.

    Args:
        handler: the agent's own, if it has one.
    """

    def __init__(self, handler: EventStreamHandler[AgentDepsT] | None) -> None:
        self._handler: EventStreamHandler[Any] | None = handler

    async def __call__(self, ctx: RunContext[Any], stream: AsyncIterable[AgentStreamEvent]) -> None:
        told = _told(stream)
        if self._handler is not None:
            await self._handler(ctx, told)
        async for _ in told:
            pass


async def _told(stream: AsyncIterable[AgentStreamEvent]) -> AsyncIterator[AgentStreamEvent]:
    said = teller()
    async for event in stream:
        said.tell(event.event_kind, lambda told=event: _EVENT.dump_python(told, mode="json", warnings=False))
        yield event
