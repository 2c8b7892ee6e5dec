"""Several processes share a store: nobody starves, nobody is corrupted, whoever is first."""

from __future__ import annotations

import asyncio
import multiprocessing
from statistics import median

from holdfast.records.run import Status
from holdfast.store.base import RunFilter, Store
from tests.contract.making import Hand, delta, entry, new_run
from tests.contract.stores import Place, open_url, output, process

COMMITS = 100
BUSY = f"""
async def main():
    store = await open_url(url)
    hand = await Hand.hire(store, args[0])
    run = await hand.claim_one()
    print(run.id, flush=True); other = sys.stdin.readline().strip()
    async def theirs():
        return (await store.get(other)).entries
    overtaken, before = [], 0
    while len(overtaken) < {COMMITS} or before < {COMMITS}:
        before = await theirs()
        await hand.commit(delta(run, entries=(entry(len(overtaken) + 1),)))
        overtaken.append(await theirs() - before)
    await store.close()
    print(len(overtaken), *overtaken[:{COMMITS}])
asyncio.run(main())
"""


async def test_of_two_busy_processes_neither_starves(place: Place, store: Store) -> None:
    await store.start([new_run(), new_run()])
    busy = [process(place.url, BUSY, name) for name in ("one", "two")]
    runs = [each.stdout.readline() for each in busy if each.stdout is not None]
    for each, other in zip(busy, reversed(runs), strict=True):
        assert each.stdin is not None
        each.stdin.write(other)
        each.stdin.flush()
    said = [list(map(int, output(each).split())) for each in busy]
    for _, *overtaken in said:  # a few times by many: it was not running
        assert median(overtaken) <= 3, "how often the other committed while it wanted to"
    assert sum(run.entries for run in await store.find(RunFilter())) == sum(done for done, *_ in said)


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
    await asyncio.to_thread(child.join, 60)
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
