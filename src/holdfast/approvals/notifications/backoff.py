"""Back-off: when a message that could not be delivered is tried again."""

from __future__ import annotations

from holdfast.clock import SECOND, jitter

TRIES = 12
"""After so many a message is dead: about three days after the first."""
_FIRST, _FACTOR, _LONGEST = 5 * SECOND, 4, 12 * 3600 * SECOND


def next_try(tries: int, now: int) -> int | None:
    """When to try again after so many tries; None: not at all.

    5 seconds after the first, four times as long after each further one, half a day at the most; each time spread by
    half, so that a receiver that comes back is not met by all of them at once.
    """
    if tries >= TRIES:
        return None
    return now + int(min(_FIRST * _FACTOR ** (tries - 1), _LONGEST) * jitter())
