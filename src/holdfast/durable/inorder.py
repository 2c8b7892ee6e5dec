"""``asyncio.as_completed`` in the order given.

It makes its tasks by iterating over a set of what it is given. Tasks of a body are hashed alike in every process, but
coroutines are hashed by their address: without this the same coroutines would begin in another order on replay, and
take each other's keys. Nothing changes for those who call it outside a body.
"""

from __future__ import annotations

import asyncio
import functools
from asyncio import events, tasks
from collections.abc import Iterable
from typing import Any

from holdfast.durable.loop import BodyLoop

_of_asyncio = tasks.as_completed


@functools.wraps(_of_asyncio)
def _in_order(fs: Iterable[Any], *, timeout: float | None = None) -> Any:
    loop = events._get_running_loop()
    if isinstance(loop, BodyLoop) and not (asyncio.isfuture(fs) or asyncio.iscoroutine(fs)):
        fs = [asyncio.ensure_future(one, loop=loop) for one in dict.fromkeys(fs)]
    return _of_asyncio(fs, timeout=timeout)


def keep_order() -> None:
    """Put it in the place of asyncio's own; again is harmless."""
    asyncio.as_completed = tasks.as_completed = _in_order
