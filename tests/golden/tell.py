"""Records the golden runs for a new version, as data to be committed. What was recorded before is never touched.

``python -m tests.golden.tell 0.2``
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from holdfast.clock import VirtualClock
from holdfast.durable.recording import write_recording
from tests.golden.agents import app, cases

GOLDEN = Path(__file__).parent
ROOT = GOLDEN.parents[1]
START = 1_795_500_000_000_000  # 24 November 2026


async def tell_all(folder: Path) -> None:
    """Record every case, each in a rig of its own."""
    for name, make in cases.items():
        async with app.test(clock=VirtualClock(START), always_suspend=True) as t:
            case = make()
            run = await t.start(case.call, key=name)
            await case.act(t, run)
            path = folder / f"{name}.jsonl"
            await write_recording(t, run.id, path, app=app.name)
            without_this_machine(path)
            print(f"{name}: {await run.status()}")


def without_this_machine(path: Path) -> None:
    """Tracebacks name files: where the repository lies is not for others."""
    path.write_text(path.read_text("utf-8").replace(f"{ROOT}/", ""), "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give the version, such as 0.2")
    folder = GOLDEN / sys.argv[1]
    try:
        folder.mkdir()
    except FileExistsError:
        sys.exit(f"{folder} exists: golden journals are recorded once, and never again")
    asyncio.run(tell_all(folder))
