"""Messages: what of a request is new, and the times that are in them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic_ai.durable_exec import ModelRequestParams
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelRequest, ModelResponse

from holdfast import codec
from holdfast.codec.text import canonical
from holdfast.integrations.steps import added

_PART = {"timestamp"}
_PASSING: Any = {
    "__all__": {"timestamp": True, "run_id": True, "conversation_id": True, "metadata": True,
                "parts": {"__all__": _PART}},
}  # fmt: skip


def asked(params: ModelRequestParams) -> dict[str, Any]:
    """What a request asks, for its fingerprint and preview: new messages, and what else decides the answer.

    Not the messages before: their part is in the requests before. Not ids and times, which say nothing, nor headers
    and the like among the settings, which may hold a secret.
    """
    about = params.model_request_parameters
    tools = [[tool.name, tool.description, tool.parameters_json_schema] for tool in about.declared_tool_defs.values()]
    new = list(added(params.messages, lambda message: isinstance(message, ModelResponse)))
    settings = {name: value for name, value in (params.model_settings or {}).items() if _is_plain(value)}
    return {
        "messages": ModelMessagesTypeAdapter.dump_python(new, mode="json", exclude=_PASSING),
        "model": params.model_id,
        "settings": settings,
        "tools": codec.fingerprint(canonical(tools)).hex(),
    }


def stamp(messages: Iterable[ModelMessage], run_id: str | None, now: datetime, stamped: dict[int, object]) -> None:
    """Give the requests of a run the time of what the body has last observed, once each.

    The library takes the time of its process, which is another one when the run is replayed.
    """
    for message in messages:
        if isinstance(message, ModelRequest) and message.run_id == run_id and id(message) not in stamped:
            stamped[id(message)] = message  # kept: another object must not come to have its id
            message.timestamp = now
            for part in message.parts:
                if hasattr(part, "timestamp"):
                    part.timestamp = now


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))
