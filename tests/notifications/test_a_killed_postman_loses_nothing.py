"""SIGKILL between sending and settling: the message is sent again, under the same id; nothing else is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from holdfast.approvals.notifications import postman
from holdfast.store.base import Store
from tests.contract.stores import Place
from tests.notifications.office import office
from tests.notifications.receiver import Receiver, answers

SCRIPT = """
import asyncio, sys
from holdfast.approvals.notifications.postman import Postman
from holdfast.clock import VirtualClock
from holdfast.runtime import open_store

async def main(url, now):
    store = await open_store(url)
    settle = store.settle_messages

    async def stuck(sent, *, new=()):
        if new:                                  # sharing out
            return await settle(sent, new=new)
        print("sent", flush=True)
        await asyncio.Event().wait()             # until it is killed

    store.settle_messages = stuck
    async with Postman(store, VirtualClock(now)) as postman:
        while await postman.round():
            pass

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def send_and_be_killed(url: str, now: int) -> None:
    """Another process sends what is due, and is killed before it can say so."""
    command = [sys.executable, "-c", SCRIPT, url, str(now)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "sent\n"
        process.kill()


async def test_a_postman_killed_between_sending_and_settling(store: Store, place: Place) -> None:
    async with Receiver([answers(204)]) as receiver, office(store) as at:
        await at.channel(receiver.url)
        await at.ask("a-1")
        await asyncio.to_thread(send_and_be_killed, place.url, at.clock.now())
        assert len(receiver.got) == 1
        await at.work()
        assert len(receiver.got) == 1, "it is still held for the one that died"
        at.clock.set(at.clock.now() + postman.HOLD)
        await at.work()
        assert [got.about for got in receiver.got] == [["a-1"], ["a-1"]]
        assert receiver.got[0].id == receiver.got[1].id
        assert await at.next_in() is None
