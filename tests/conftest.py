"""What holds for all tests: how ``async def`` tests run, how much Hypothesis tries (a fixed sample in `make test`,
random and long in `make soak`), where files go, which tests come first, and what the collector may leave alone.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.places import write_in_memory

# How long an example takes, or to think of it, is the machine's affair: it may stand still for seconds at any moment.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("test", UNTIMED, derandomize=True)
settings.register_profile("soak", UNTIMED, max_examples=5_000)
settings.load_profile("test")

write_in_memory()

HERE = Path(__file__).parent
FIRST = "bench crash approvals docs examples golden types console deploy cli".split()
"""Folders whose files may take a minute each. They come first, or one core would work alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders of long files first, and leave the order within them."""
    places = {folder: place for place, folder in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.relative_to(HERE).parts[0], len(places)))


def pytest_collection_finish() -> None:
    """Keep the collector from looking again and again at what stays anyway, a million objects of imported modules."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run ``async def`` tests: on the loop of the fixture ``runner``, if there is one, else on one of their own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    given = pyfuncitem.funcargs
    test = pyfuncitem.obj(**{name: given[name] for name in pyfuncitem._fixtureinfo.argnames})
    if "runner" in given:
        given["runner"].run(test)
    else:
        asyncio.run(test)
    return True
