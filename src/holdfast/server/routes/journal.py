"""``/api/runs/{run}/journal`` and what else is recorded of a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from holdfast.durable.recording import recorded_lines
from holdfast.errors import BadOption, NotFound
from holdfast.records.journal import ItemIndex
from holdfast.server.house import InHouse
from holdfast.server.shapes import Asked, RunId, problems
from holdfast.server.shapes_of_runs import History, Journal, Values
from holdfast.server.sight import ReaderOf
from holdfast.wire.lines import line_of
from holdfast.wire.values import hash_of, hex_of, put_packed

router = APIRouter(prefix="/api/runs/{run_id}", tags=["journal"], responses=problems(404))
NDJSON = "application/x-ndjson"
_HISTORY = 100_000  # entries and items that are given at once


class _Page(Asked):
    after: int = Field(0, ge=0, lt=2**31, description="Entries with a higher number.")
    limit: int = Field(1000, ge=1, le=1000)


class _WhichValues(Asked):
    map: str = Field(pattern="^[0-9a-f]{16}$", description="The map's hash.")
    ord: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field(min_length=1, max_length=256)


@router.get("/journal", response_model=Journal)
async def get_journal(_: ReaderOf, house: InHouse, run_id: RunId, page: Annotated[_Page, Query()]) -> Any:
    """A page of the journal of the present generation, by number; those of finished branches included."""
    await house.client.info(run_id)
    found = await house.store.journal(run_id, after=page.after, limit=page.limit)
    following = found[-1].seq if len(found) == page.limit else None
    return {"entries": [line_of(entry) for entry in found], "next": following}


@router.get("/recording", response_class=StreamingResponse, responses={200: {"content": {NDJSON: {}}}})
async def get_recording(_: ReaderOf, house: InHouse, run_id: RunId) -> StreamingResponse:
    """All that is recorded, as a journal file: JSON lines, as `holdfast runs export` writes them."""
    await house.client.info(run_id)

    async def lines() -> AsyncIterator[str]:
        async for line in recorded_lines(house.client, run_id):
            yield f"{line}\n"

    return StreamingResponse(lines(), media_type=NDJSON)


@router.get("/history", response_model=History)
async def get_history(_: ReaderOf, house: InHouse, run_id: RunId) -> Any:
    """What a replay of the run begins with: its entries without those of finished branches, and its maps' items."""
    run = await house.client.info(run_id)
    history = await house.store.load(run.rid)
    if len(history.entries) > _HISTORY:
        raise BadOption(f"run {run_id} has {len(history.entries):,} entries: read its recording instead")
    return {
        "entries": [line_of(entry) for entry in history.entries],
        "groups": [line_of(group) for group in history.groups.values()],
        "maps": [_index_json(map_hash, index) for map_hash, index in history.maps.items()],
    }


@router.get("/history/values", response_model=Values)
async def get_values(_: ReaderOf, house: InHouse, run_id: RunId, which: Annotated[_WhichValues, Query()]) -> Any:
    """Values of items of a map."""
    run = await house.client.info(run_id)
    try:
        found = await asyncio.to_thread(house.store.item_values, run.rid, hash_of(which.map), which.ord)
    except (KeyError, LookupError) as error:
        raise NotFound(f"run {run_id} has no such items of map {which.map}") from error
    return {"values": [_value_json(value) for value in found]}


def _index_json(map_hash: int, index: ItemIndex) -> dict[str, Any]:
    return {
        "map": hex_of(map_hash),
        "ords": list(index.ords),
        "branches": [hex_of(branch) for branch in index.branches],
        "seqs": list(index.seqs),
        "ats": list(index.ats),
        "oks": [bool(ok) for ok in index.oks],
    }


def _value_json(value: bytes) -> dict[str, Any]:
    line: dict[str, Any] = {}
    put_packed(line, "value", value)
    return line
