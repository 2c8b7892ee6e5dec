"""What agents of other libraries are promised, one file per promise, on the virtual clock where time plays a part.

Everything here also passes with ``HOLDFAST_ALWAYS_SUSPEND=1``.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import App
from tests.crash.place import Place
from tests.crash.processes import Nursery


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run ``async def`` tests."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**wanted))
    return True


@pytest.fixture
def app() -> App[None]:
    return App("talk")


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    """Makes processes; whatever is alive at the end of the test is killed."""
    nursery = Nursery()
    try:
        yield nursery
    finally:
        nursery.clear()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A store and a ledger."""
    return Place(tmp_path, "sqlite")
