"""What people and runs are promised when a run asks, one file per promise, over every store, on the virtual clock.

Everything here also passes with ``HOLDFAST_ALWAYS_SUSPEND=1``.
"""

from __future__ import annotations

from tests.crash.processes import nursery
from tests.kernel.conftest import app, kind, url, world

__all__ = ["app", "kind", "nursery", "url", "world"]
