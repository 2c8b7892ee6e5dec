"""What a run of agent code is promised, one file per promise, on the virtual clock unless real time is the point.

Everything here also passes with ``HOLDFAST_ALWAYS_SUSPEND=1``: bodies run many times, so what happened is counted where
it happens, in steps (see ``World``).
"""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest

from holdfast import App
from tests.kernel.making import World


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
    return App("kernel")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store that outlives a rig."""
    return f"sqlite:///{tmp_path}/kernel.db"
