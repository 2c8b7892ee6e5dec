"""What is told of a run reaches those who listen just then, in this process and in others, and nobody else."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.store.base import MAX_TOLD, Ears, Store
from holdfast.store.postgres import telling
from tests.contract.stores import Place, output, process


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever listens does listen from then on, however long the server takes to let them."""
    monkeypatch.setattr(telling, "_READY_S", 60.0)


async def heard(ears: Ears, count: int) -> list[bytes]:
    """So many things that were told."""
    told: list[bytes] = []
    async with asyncio.timeout(60):
        while len(told) < count:
            told += await ears.hear(1.0)
    return told


async def test_in_order_and_whole(store: Store) -> None:
    ears = store.ears("r1")
    told = [f"{n}".encode() * 100 for n in range(50)] + [b"x" * MAX_TOLD]
    for data in told:
        store.tell("r1", lambda told=data: told)
    assert await heard(ears, len(told)) == told
    ears.close()


async def test_by_each_who_listens(store: Store, place: Place) -> None:
    other = await place.open()
    one, two = store.ears("r1"), other.ears("r1")
    store.tell("r1", lambda: b"hello")
    assert await heard(one, 1) == await heard(two, 1) == [b"hello"]
    one.close()
    other.tell("r1", lambda: b"again")
    assert await heard(two, 1) == [b"again"]
    two.close()
    await other.close()


async def test_only_of_the_run_and_only_from_now_on(store: Store) -> None:
    store.tell("r1", lambda: b"too early")
    ears = store.ears("r1")
    store.tell("r2", lambda: b"of another run")
    store.tell("r1", lambda: b"this")
    assert await heard(ears, 1) == [b"this"]
    ears.close()


async def test_it_wakes_whoever_waits(store: Store) -> None:
    ears = store.ears("r1")
    waiting = asyncio.create_task(ears.hear(3600.0))
    await asyncio.sleep(0)  # it waits now
    await asyncio.to_thread(store.tell, "r1", lambda: b"from a thread")
    async with asyncio.timeout(60):
        assert await waiting == [b"from a thread"]
    ears.close()


async def test_nobody_needs_to_listen_nor_to_be_open(store: Store, place: Place) -> None:
    store.tell("r1", lambda: b"to nobody")
    ears = store.ears("r1")
    ears.close()
    ears.close()
    assert await ears.hear(0.0) == []
    store.tell("r1", lambda: b"to nobody any more")
    other = await place.open()
    await other.close()
    other.tell("r1", lambda: b"from a store that was closed")


async def test_from_another_process_and_not_to_one_that_was_killed(store: Store, place: Place) -> None:
    deaf = process(
        place.url,
        "async def main():\n  ears = (await open_url(url)).ears('r1')\n  print('listening', flush=True)\n"
        "  await asyncio.Event().wait()\nasyncio.run(main())",
    )
    assert deaf.stdout is not None
    assert await asyncio.to_thread(deaf.stdout.readline) == "listening\n"
    deaf.kill()
    deaf.communicate()
    ears = store.ears("r1")
    says = "store.tell('r1', lambda: b'across')"
    speaks = "from holdfast.store.postgres import telling\ntelling._LAST_S = 60.0  # whatever the server takes\n"
    speaks += f"async def main():\n  store = await open_url(url)\n  {says}\nasyncio.run(main())"
    await asyncio.to_thread(lambda: output(process(place.url, speaks)))
    assert await heard(ears, 1) == [b"across"]
    ears.close()
