"""``/api/runs/{run}/files``: what workspaces hold; and contents by their digest."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from holdfast import codec
from holdfast.errors import NotFound
from holdfast.server.access import Operator, Reader
from holdfast.server.house import InHouse
from holdfast.server.shapes import Asked, InPath, RunId, problems
from holdfast.server.shapes_of_runs import Deleted, Files
from holdfast.server.sight import ReaderOf
from holdfast.wire.house import file_json

router = APIRouter(tags=["files"], responses=problems(404))
_BYTES = "application/octet-stream"
_CONTENT: dict[int | str, dict[str, Any]] = {200: {"content": {_BYTES: {}}, "description": "The bytes."}}


class _When(Asked):
    at: int | None = Field(None, ge=0, lt=2**31, description="As of this entry; by default as of the last.")


class _Sweep(Asked):
    age: int = Field(ge=0, lt=2**60, description="Microseconds for which nobody has put them.")
    limit: int = Field(ge=1, le=1000)


@router.get("/api/runs/{run_id}/files", response_model=Files)
async def list_files(_: ReaderOf, house: InHouse, run_id: RunId, when: Annotated[_When, Query()]) -> Any:
    """The files, links and folders of a run's workspace, by path."""
    return {"files": [file_json(file) for file in await house.client.files(run_id, at=when.at)]}


@router.get("/api/runs/{run_id}/files/{path:path}", response_class=StreamingResponse, responses=_CONTENT)
async def read_file(
    _: ReaderOf, house: InHouse, run_id: RunId, path: Annotated[InPath, Path(max_length=4096)],
    when: Annotated[_When, Query()],
) -> StreamingResponse:  # fmt: skip
    """The content of a file, as bytes to be saved: whatever is in it, no browser shows it as a page."""
    pieces = house.client.read_file(run_id, path, at=when.at)
    first = await anext(pieces, b"")  # raises what is the matter before anything is sent

    async def all_of_it() -> Any:
        yield first
        async for piece in pieces:
            yield piece

    name = quote(path.rpartition("/")[2] or "file", safe="")
    disposition = f"attachment; filename*=UTF-8''{name}"
    return StreamingResponse(all_of_it(), media_type=_BYTES, headers={"Content-Disposition": disposition})


@router.get("/api/contents/{digest}", response_class=Response, responses=_CONTENT)
async def get_content(
    _: Reader,
    house: InHouse,
    digest: Annotated[InPath, Path(pattern="^[0-9a-f]{32}$", description="Of the plain bytes.")],
) -> Response:
    """A piece of a file, a megabyte at the most."""
    found = await house.store.contents([bytes.fromhex(digest)])
    if not found:
        raise NotFound(f"no content has the digest {digest}")
    return Response(await asyncio.to_thread(codec.unpack, found[bytes.fromhex(digest)]), media_type=_BYTES)


@router.post("/api/contents/sweep", response_model=Deleted)
async def sweep_contents(_: Operator, house: InHouse, asked: _Sweep) -> Any:
    """Delete contents that no file refers to."""
    return {"deleted": await house.store.sweep_contents(age=asked.age, limit=asked.limit)}
