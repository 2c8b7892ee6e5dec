"""Several processes share a store: nobody starves, nobody is corrupted, whoever is first."""

from __future__ import annotations

import asyncio
import multiprocessing

from holdfast.records.run import Status
from holdfast.store.base import RunFilter, Store
from tests.contract.making import Hand, delta, entry, new_run
from tests.contract.stores import Place, open_url, output, process

BUSY = """
import time
async def main():
    store = await open_url(url)
    hand = await Hand.hire(store, args[0])
    run = await hand.claim_one()
    print("ready", flush=True); sys.stdin.readline()
    end, done, longest = time.monotonic() + 1, 0, 0.0
    while (begun := time.monotonic()) < end:
        done += 1
        await hand.commit(delta(run, entries=(entry(done),)))
        longest = max(longest, time.monotonic() - begun)
    await store.close()
    print(done, longest)
asyncio.run(main())
"""


async def test_of_two_busy_processes_neither_starves(place: Place, store: Store) -> None:
    await store.start([new_run(), new_run()])
    busy = [process(place.url, BUSY, name) for name in ("one", "two")]
    for each in busy:
        assert each.stdout is not None and each.stdin is not None and each.stdout.readline() == "ready\n"
    for each in busy:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    said = [output(each).split() for each in busy]
    (less, more), longest = sorted(int(done) for done, _ in said), max(float(wait) for _, wait in said)
    assert less > more / 3 and longest < 1
    assert sum(run.entries for run in await store.find(RunFilter())) == less + more


OPEN = """
import os
async def main(id):
    store = await open_url(url)
    await store.start([new_run(id)])
    await store.close()
gate, keeper = os.pipe()
def live(id):
    status = 1
    try:
        os.close(keeper)
        os.read(gate, 1)
        asyncio.run(main(id))
        status = 0
    finally:
        os._exit(status)
born = []
for n in range(10):
    born.append(os.fork())
    if not born[-1]:
        live(f"run-{n}")
os.close(keeper)  # now all of them begin
assert not any(os.waitpid(pid, 0)[1] for pid in born)
"""


async def test_ten_processes_open_a_new_store_at_once(place: Place) -> None:
    output(process(place.url, OPEN))
    store = await place.open()
    assert await store.count() == {Status.QUEUED: 10}
    await store.close()


def _start_in_child(url: str) -> None:
    async def main() -> None:
        store = await open_url(url)
        await store.start([new_run("from the child")])
        await store.close()

    asyncio.run(main())


async def test_a_forked_child_opens_a_store_of_its_own(place: Place) -> None:
    child = multiprocessing.get_context("fork").Process(target=_start_in_child, args=(place.url,))
    child.start()
    await asyncio.to_thread(child.join, 30)
    assert child.exitcode == 0
    store = await place.open()
    assert await store.get("from the child") is not None
    await store.close()


async def test_two_instances_in_one_process_are_one_store(place: Place, store: Store) -> None:
    other = await place.open()
    hand = await Hand.hire(other, "w")
    await store.start([new_run("x")])
    run = await hand.claim_one()
    await asyncio.gather(
        *(store.start([new_run()]) for _ in range(20)),
        *(other.resolve(f"x/{n}", ok=True, value=b"", at=1) for n in range(20)),
        hand.commit(delta(run, entries=(entry(),))),
    )
    await other.close()
    assert await store.count() == {Status.RUNNING: 1, Status.QUEUED: 20}
    assert len(await store.news(run.rid, after=0)) == 20
