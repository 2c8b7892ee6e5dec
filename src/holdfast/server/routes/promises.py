"""``/api/promises``: what runs wait for, given from outside."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from holdfast.server.access import Operator, Reader
from holdfast.server.house import InHouse
from holdfast.server.shapes import Asked, Done, Text, Told, Word, problems

router = APIRouter(prefix="/api/promises", tags=["promises"], responses=problems(404, 409))


class _Which(Asked):
    id: Annotated[Word, Field(description="RUN/NAME.")]


class Declared(Told):
    """How a promise was declared."""

    declared: bool
    json_schema: Any = Field(None, description="What a value must fit; null if it is not declared yet.")


class Resolve(Asked):
    """A value for a promise."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"promise": "01kb3w8m6e8q2c5t7v9x1z3b5d/paid", "value": True}}
    )

    promise: Word
    value: Any


class Fail(Asked):
    """Why a promise will not be kept."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"promise": "01kb3w8m6e8q2c5t7v9x1z3b5d/paid", "error": "broke"}}
    )

    promise: Word
    error: Text


@router.get("", response_model=Declared)
async def get_promise(_: Reader, house: InHouse, which: Annotated[_Which, Query()]) -> Any:
    """Whether a promise is declared, and what fits it."""
    schema = await house.store.schema(which.id)
    return {"declared": schema is not None, "json_schema": None if schema is None else json.loads(schema)}


@router.post("/resolve", response_model=Done)
async def resolve(_: Operator, house: InHouse, asked: Resolve) -> Any:
    """Resolve a promise. Not done if it was resolved before, or its run has ended."""
    return {"done": await house.client.resolve(asked.promise, asked.value)}


@router.post("/fail", response_model=Done)
async def fail(_: Operator, house: InHouse, asked: Fail) -> Any:
    """Fail a promise. Not done if it was resolved before, or its run has ended."""
    return {"done": await house.client.fail(asked.promise, asked.error)}
