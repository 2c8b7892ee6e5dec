"""Insisting: a request whose answer was lost is sent again until it is known what became of it.

Whether it arrived, its effect tells: what was done leaves a trace, and a request that is sent again looks for it if
there is nothing left to do. So an answer may credit a request with what another did at the same time; it never denies
what was done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from holdfast.clock import jitter
from holdfast.errors import CommitUnknown, StoreBusy

logger = logging.getLogger("holdfast.store")

T = TypeVar("T")

FIND_OUT_S = 30.0  # how long the database may be away until somebody is told that nobody knows
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0


async def insist(what: str, send: Callable[[bool], Awaitable[T]], *, shown: str) -> T:
    """Send a request; and if its answer was lost, send it again until there is one.

    Args:
        what: was asked for, after "a request to".
        send: sends it; is given whether it was sent before.
        shown: the store's URL, for people.

    Raises:
        CommitUnknown: the database has stayed away, and nobody knows.
        StoreError: it was not done.
    """
    try:
        return await send(False)
    except CommitUnknown as unknown:
        logger.warning("the answer to a request to %s was lost (%s): finding out what became of it", what, unknown)
    loop, wait = asyncio.get_running_loop(), _FIRST_WAIT_S
    deadline = loop.time() + FIND_OUT_S
    while True:
        try:
            return await send(True)
        except (StoreBusy, CommitUnknown) as trouble:
            if loop.time() + wait > deadline:
                raise CommitUnknown(
                    f"{shown}: the answer to a request to {what} was lost, and for {FIND_OUT_S:g} s the database could "
                    f"not say what became of it ({trouble}). Once it is back, look whether it was done; if not, ask "
                    "again"
                ) from trouble
        await asyncio.sleep(wait * jitter())
        wait = min(2 * wait, _LONGEST_WAIT_S)


def several(noun: str, ids: Sequence[str]) -> str:
    """The things of these ids, in the words of a message."""
    return f"{noun}{'s' * (len(ids) != 1)} {', '.join(ids[:3])}{', …' * (len(ids) > 3)}"
