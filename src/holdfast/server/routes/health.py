"""``/healthz``, ``/readyz``, ``/metrics``, ``/problems``: for whoever runs the server."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from holdfast.server.access import Reader
from holdfast.server.house import InHouse
from holdfast.server.shapes import Told, problems

router = APIRouter(tags=["health"])


class Health(Told):
    """How the server is."""

    status: str


@router.get("/healthz", response_model=Health)
async def healthz() -> Any:
    """Whether the process lives."""
    return {"status": "ok"}


@router.get("/readyz", response_model=Health, responses=problems())
async def readyz(house: InHouse) -> Any:
    """Whether the store answers; 503 if it does not."""
    await house.people.any()
    return {"status": "ready"}


@router.get("/metrics", response_class=Response, responses=problems())
async def metrics(_: Reader) -> Response:
    """The metrics of this process, for Prometheus."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


@router.get("/problems/{slug}", response_model=Health, include_in_schema=False)
async def problem(slug: Annotated[str, Path(max_length=80)]) -> Any:
    """Where a problem's type points: what such problems are about is said in the manual."""
    return {"status": f"{slug[:80]}: see docs/server.md"}
