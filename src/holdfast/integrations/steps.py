"""What the steps of every library's agents have in common: their names and keys, what a request adds, where none is."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from holdfast.durable.effects import step_or_none
from holdfast.durable.scope import Scope

logger = logging.getLogger("holdfast.agent")

M = TypeVar("M")

_told: dict[int, weakref.ref[Any]] = {}  # of which agents was said that they run undurably; by identity


def plain(name: str) -> str:
    """A name as a part of keys and of promises' names."""
    return name.replace("/", ".").replace("#", ".")


def key_of_call(scope: Scope, name: str, key: str) -> str:
    """The key of a call of a tool: ``key``, numbered if it came before; ids of calls are only their model's.

    Args:
        scope: in which the call is made.
        name: of the tool: calls of another one do not count.
        key: what the model and the agent call it by.
    """
    own, number = key, 1
    while scope.counts[f"~call:{name}#{own}"]:
        number += 1
        own = f"{key}.{number}"
    scope.counts[f"~call:{name}#{own}"] = 1
    return own


def added(messages: Sequence[M], is_of_model: Callable[[M], bool]) -> Sequence[M]:
    """What a request adds to what was said before: the messages after the model's last."""
    at = len(messages)
    while at and not is_of_model(messages[at - 1]):
        at -= 1
    return messages[at:]


def say_undurable(agent: object, name: str) -> None:
    """Say, once for each agent, that it runs where nothing of it is recorded. In a step it is part of the step."""
    known = _told.get(id(agent))
    if step_or_none() is not None or (known is not None and known() is agent):
        return
    number = id(agent)
    _told[number] = weakref.ref(agent, lambda gone: _told.pop(number, None))
    logger.warning(
        "agent %s runs outside of a Holdfast run: nothing of it is recorded. Call it in the body of an @app.agent", name
    )
