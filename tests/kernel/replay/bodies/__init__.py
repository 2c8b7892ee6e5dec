"""Agents built from every construct of asyncio that is durable. Each returns all that it observed, in order.

Durations differ everywhere, so that no two things happen at one instant unless a body is about just that.
"""

from tests.kernel.replay.bodies import failing, mapping, outside, racing, sharing, waiting
from tests.kernel.replay.bodies.house import Trace, app, broken, cases, plain, since, work

__all__ = [
    "Trace",
    "app",
    "broken",
    "cases",
    "failing",
    "mapping",
    "outside",
    "plain",
    "racing",
    "sharing",
    "since",
    "waiting",
    "work",
]
