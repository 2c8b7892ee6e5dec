"""Folders in which the command is run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast import RunBlocked
from holdfast.records.run import Status
from tests.cli import shop
from tests.cli.shell import Shell


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """A store in whose past something happened, and no worker."""

    shell: Shell
    succeeded: str
    failed: str
    blocked: str
    waiting: str


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which store runs are kept in."""
    return request.param


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """An empty folder, with the module ``shop`` in it."""
    shell = Shell(tmp_path)
    yield shell
    shell.close()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Shell]:
    """A folder with a worker that the tests of a module share."""
    shell = Shell(tmp_path_factory.mktemp("busy"), kind)
    shell.worker()
    yield shell
    shell.close()


@pytest.fixture(scope="package")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Runs that ended, failed, were blocked, or wait; for tests that only look."""
    shell = Shell(tmp_path_factory.mktemp("past"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shop, "LEDGER", shell.folder / "ledger")
        lived = asyncio.run(_live(shell, patch))
    yield lived
    shell.close()


async def _live(shell: Shell, patch: pytest.MonkeyPatch) -> Past:
    store = shell.store("shop")
    async with shop.app.open(store) as runtime:
        succeeded = await runtime.start(shop.price_all(["a", "b"]), key="monday")
        failed = await runtime.start(shop.fail("no stock"))
        settle = await runtime.start(shop.settle())
        waiting = await runtime.start(shop.ask())
        for run in (succeeded, failed):
            await asyncio.gather(run.result(), return_exceptions=True)
        for run in (settle, waiting):
            await runtime.wait_until(run.id, lambda record: record.status is Status.WAITING)
    patch.setenv("SHOP_BROKEN", "1")
    async with shop.app.open(store) as runtime:
        await runtime.resolve(f"{settle.id}/go", True)
        with pytest.raises(RunBlocked):
            await (await runtime.get(settle.id)).result()
    return Past(shell=shell, succeeded=succeeded.id, failed=failed.id, blocked=settle.id, waiting=waiting.id)
