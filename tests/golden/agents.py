"""Agents of every kind whose recorded runs are kept, and replayed by every later version of Holdfast.

What is here never changes: the journals beside it were recorded with exactly this code. What is new gets an agent of
its own, and ``python -m tests.golden.tell VERSION`` records all of them again, in a folder of that version.
"""

from __future__ import annotations

from tests.golden import alone, together
from tests.golden.house import app, cases

__all__ = ["alone", "app", "cases", "together"]
