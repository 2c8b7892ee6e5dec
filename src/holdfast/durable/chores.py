"""Chores: what workers do beside executing runs, such as minding deadlines."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from holdfast.clock import SECOND, Clock
from holdfast.errors import StoreError

logger = logging.getLogger("holdfast.worker")


class Chore(Protocol):
    """Something that every worker of a store does; several do it at once, so it must not matter who does.

    Attributes:
        name: in the log.
    """

    name: str

    async def work(self) -> int | None:
        """Do what is to be done now, without taking long; returns when to do it again (microseconds).

        None: once the store has news. The worker that asks claims no runs meanwhile: what takes long belongs into a
        task.
        """


async def do_all(chores: Sequence[Chore], clock: Clock, again: float) -> int | None:
    """Do them in turn; returns when the first of them is to be done again.

    Args:
        chores: what is to be done.
        clock: of the times that they tell.
        again: seconds until one that has failed is tried again.

    Raises:
        StoreError: the store does not answer.
    """
    due: list[int] = []
    for chore in chores:
        try:
            when = await chore.work()
        except StoreError:
            raise
        except Exception:  # a defect: said, and the worker goes on
            logger.critical("the chore %s failed; doing it again in %.1f s", chore.name, again, exc_info=True)
            when = clock.now() + int(again * SECOND)
        if when is not None:
            due.append(when)
    return min(due, default=None)
