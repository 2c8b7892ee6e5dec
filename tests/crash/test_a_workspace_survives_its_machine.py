"""A worker is killed in the middle of a step; another, with another disk, goes on with the files that were recorded."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

from holdfast import App, Context, Settings
from tests.crash.place import Place, stop_outside_of_transactions
from tests.crash.processes import Nursery, asked_to_stop, die
from tests.waiting import until

app = App("files")
SETTINGS = Settings(poll=0.05, linger=0.03)
BIG = bytes(range(256)) * 20_000  # five contents
_place: Place  # where steps leave word, in every process


def write_all(folder: Path) -> Path:
    (folder / "data").mkdir()
    (folder / "data/big.bin").write_bytes(BIG)
    (folder / "draft.txt").write_text("recorded")
    return folder / "data/big.bin"


def spoil_and_die(folder: Path, marker: str) -> str:
    found = (folder / "draft.txt").read_text()
    if not Path(marker).exists():
        Path(marker).write_text(str(folder))
        (folder / "draft.txt").write_text("half wr")
        (folder / "leftover.tmp").write_text("nobody knows of this")
        (folder / "data/big.bin").unlink()
        die()
    return found


def look(folder: Path, big: Path) -> list[str]:
    assert big.read_bytes() == BIG
    return sorted(os.listdir(folder))


@app.agent
async def work(ctx: Context, marker: str) -> tuple[str, list[str]]:
    big = await ctx.step(write_all, ctx.workspace)
    found = await ctx.step(spoil_and_die, ctx.workspace, marker)
    return found, await ctx.step(look, ctx.workspace, big)


def test_killed_in_a_step_and_resumed_elsewhere(place: Place, nursery: Nursery) -> None:
    marker = place.folder / "marker"

    async def begin() -> None:
        async with app.open(place.store, settings=_with_disk(place, "first disk")) as runtime:
            place.accept("a", (await runtime.start(work(str(marker)))).id)
            await asked_to_stop()

    async def go_on() -> None:
        async with app.open(place.store, settings=_with_disk(place, "second disk")) as runtime:
            run = await runtime.get(place.accepted["a"])
            found, names = await run.result()
            files = await runtime.files(run.id)
            place.note({"found": found, "names": names, "recorded": [file.path for file in files]})

    first = nursery.fork(begin, "the first worker")
    until(lambda: not first.alive, "the step kills its worker")
    assert first.was_killed
    place.bury(first)
    left = Path(marker.read_text())
    assert left.parent == (place.folder / "first disk").resolve() and (left / "leftover.tmp").exists()
    second = nursery.fork(go_on, "the second worker")
    second.wait()
    assert second.ended_well
    assert place.noted == {
        "found": "recorded",
        "names": ["data", "draft.txt"],
        "recorded": ["data", "data/big.bin", "draft.txt"],
    }
    assert (left / "leftover.tmp").exists(), "nobody but its own machine touches what is left there"
    assert [path.name for path in (place.folder / "second disk").iterdir() if path.is_dir()] == []


def test_a_stopped_worker_does_not_write_into_its_successors_files(place: Place, nursery: Nursery) -> None:
    """Both are on one machine with one root; the first goes on while the second is at work."""
    global _place
    _place = place

    async def begin() -> None:
        async with app.open(place.store, settings=replace(_with_disk(place, "disk"), lease=3.0)) as runtime:
            place.accept("a", (await runtime.start(take_turns())).id)
            await asked_to_stop()

    async def go_on() -> None:
        async with app.open(place.store, settings=_with_disk(place, "disk")) as runtime:
            place.note(await (await runtime.get(place.accepted["a"])).result())

    first = nursery.fork(begin, "the first worker")
    until((place.folder / "1 is at work").exists, "it is in its step")
    stop_outside_of_transactions(first, place)
    (place.folder / "1 may go on").touch()
    second = nursery.fork(go_on, "the second worker")
    until((place.folder / "2 is at work").exists, "the second has taken the run over")
    first.send(signal.SIGCONT)
    until((place.folder / "1 has written").exists, "the first has gone on")
    (place.folder / "2 may go on").touch()
    second.wait()
    assert second.ended_well and place.noted == ["by 2"]
    first.stop_nicely()


def take_turn(folder: Path) -> None:
    turn = 2 if (_place.folder / "1 is at work").exists() else 1
    (_place.folder / f"{turn} is at work").touch()
    until((_place.folder / f"{turn} may go on").exists, "the first was stopped, and has written")
    (folder / f"by {turn}").write_text("mine")
    (_place.folder / f"{turn} has written").touch()


@app.agent
async def take_turns(ctx: Context) -> list[str]:
    await ctx.step(take_turn, ctx.workspace)
    return await ctx.step(os.listdir, ctx.workspace).using(returns=list[str])


def _with_disk(place: Place, name: str) -> Settings:
    return replace(SETTINGS, workspaces=str(place.folder / name))
