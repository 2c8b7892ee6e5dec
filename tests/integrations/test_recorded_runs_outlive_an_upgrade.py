"""A run that was recorded when this was written is replayed by whatever version of the library is installed."""

from __future__ import annotations

import json
from pathlib import Path

from holdfast.durable.recording import write_recording
from holdfast.integrations.pydantic_ai import pending_calls
from holdfast.testing import replay
from tests.integrations.desk import app, settle

RECORDED = Path(__file__).with_name("recorded") / "desk.jsonl"
KEYS = [
    "desk:model#1.1", "desk.look#1.r0.0", "desk.weigh#1.r0.1", "reserve#1.r0.2",
    "desk:model#1.2", "desk.weigh#1.r1.0", "desk:ask#1.1", "desk.wire.approval.1.r1.1", "desk.wire#1.r1.1",
    "desk:model#1.3", "desk:model#1.4",
]  # fmt: skip
"""Keys are data of runs in flight: to change one is to strand them."""


def test_it_replays() -> None:
    replay(app, RECORDED)


def test_it_has_everything() -> None:
    lines = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    assert {line["key"] for line in lines if line.get("kind") == "outcome"} == set(KEYS)


async def test_a_new_run_records_the_same_in_every_process_and_under_every_hash_seed(tmp_path: Path) -> None:
    async with app.test(hash_seed=True) as t:
        run = await t.start(settle("c"))
        await t.quiet()
        (asked,) = await pending_calls(t, run.id)
        await t.resolve(asked.calls[0].promise, {"approved": True, "arguments": {"amount": 60}})
        result = await run.result()
        assert result["output"] == 90
        assert {"90", "c is open", "reserved 90", "wired 60"} <= set(map(str, result["returns"]))
        assert sorted(await run.recorded()) == sorted(KEYS)
        await write_recording(t, run.id, tmp_path / "desk.jsonl")  # copied to RECORDED when the integration was written
