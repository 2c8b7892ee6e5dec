"""When garbage is collected: not while many runs go on at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Put the collector off until the end.

    For a loop that lets many bodies run up to their next wait. What each leaves behind is gone by itself at the end of
    it; a collector that came in the middle would look at all of it, again and again, to find that it is in use.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
