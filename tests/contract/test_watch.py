"""Watches: a change wakes whoever waits, in this process and in others, even when a notification is lost."""

from __future__ import annotations

import asyncio

from holdfast.store.base import Store, Watch
from tests.contract.making import NOW, Hand, delta, entry, new_run
from tests.contract.stores import Place, output, process


async def woken(watch: Watch) -> None:
    """Wait for a change: for an hour if there is none, so that it is not the time that is up."""
    async with asyncio.timeout(60):
        await watch.wait(3600)


async def test_a_change_wakes_every_watch_of_this_process(place: Place, store: Store) -> None:
    other = await place.open()
    watches = [store.watch(), store.watch(), other.watch()]
    waiting = [asyncio.create_task(woken(watch)) for watch in watches]
    await asyncio.sleep(0)
    await store.start([new_run()])
    await asyncio.gather(*waiting)
    await other.close()


async def test_a_change_before_the_wait_is_not_missed(store: Store) -> None:
    watch = store.watch()
    await store.start([new_run()])
    await woken(watch)
    watch.close()


async def test_without_a_change_time_is_up(store: Store) -> None:
    await store.start([new_run()])
    watch = store.watch()
    async with asyncio.timeout(60):
        await watch.wait(0.05)
    watch.close()


async def test_closing_ends_a_wait(store: Store) -> None:
    watch = store.watch()
    waiting = asyncio.create_task(woken(watch))
    await asyncio.sleep(0)
    watch.close()
    await waiting


async def test_steps_are_noticed_too_if_later(store: Store, worker: Hand) -> None:
    run = await worker.started()
    watch = store.watch()
    waiting = asyncio.create_task(woken(watch))
    await asyncio.sleep(0)
    await worker.commit(delta(run, entries=(entry(),)))
    await waiting
    watch.close()


RESOLVE = """
async def main():
    store = await open_url(url)
    print("ready", flush=True)
    for line in sys.stdin:
        await store.resolve(line.strip(), ok=True, value=b"v", at=NOW)
    await store.close()
asyncio.run(main())
"""


async def test_another_process_wakes_a_watch(place: Place, store: Store, worker: Hand) -> None:
    run = await worker.started()
    resolver = process(place.url, RESOLVE)
    assert resolver.stdin is not None and resolver.stdout is not None
    assert resolver.stdout.readline() == "ready\n"
    watch = store.watch()
    for n in range(5):
        resolver.stdin.write(f"{run.id}/p{n}\n")
        resolver.stdin.flush()
        while (await store.woken("w1")) != [(run.rid, n + 1)]:
            await woken(watch)
    watch.close()
    output(resolver)


START = """
async def main():
    store = await open_url(url)
    await store.start([new_run()])
    await store.close()
asyncio.run(main())
"""


async def test_a_run_started_elsewhere_is_found(place: Place, store: Store, worker: Hand) -> None:
    watch = store.watch()
    starter = process(place.url, START)
    while not await worker.claim(now=NOW):
        await woken(watch)
    watch.close()
    await asyncio.to_thread(output, starter)
