"""The shapes of requests and answers that several routes share; what the OpenAPI document says of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from holdfast.server.problems import MEDIA_TYPE, Problem


def _storable(text: str) -> str:
    if "\x00" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise ValueError("no NUL and no lone surrogates")
    return text


Text = Annotated[str, AfterValidator(_storable), Field(max_length=2000)]
Word = Annotated[str, AfterValidator(_storable), Field(min_length=1, max_length=200)]
InPath = Annotated[str, AfterValidator(_storable)]
RunId = Annotated[InPath, Path(description="A run's id.", examples=["01kb3w8m6e8q2c5t7v9x1z3b5d"], max_length=200)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Limit = Annotated[int, Field(ge=1, le=1000, description="How many at the most.")]


class Asked(BaseModel):
    """What a request says. Fields that are not known are refused."""

    model_config = ConfigDict(extra="forbid")


class Told(BaseModel):
    """What an answer says."""


class Reason(Asked):
    """Why something is done."""

    reason: Text = ""


class Done(Told):
    """What was asked is done, or was done before."""

    done: bool


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for the document."""
    said = {400: "Cannot be read", 401: "Nobody knows who asks", 403: "Not allowed", 404: "Not there"}
    said |= {405: "Not possible here", 409: "The state forbids it", 410: "It is over", 413: "Too large"}
    said |= {415: "Not JSON", 422: "Does not fit", 503: "The store is busy"}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": said[status], "content": content}
        for status in sorted({400, 401, 403, 413, 415, 422, 503, *statuses})
    }


__all__ = ["Asked", "Done", "InPath", "Limit", "Problem", "Reason", "RunId", "Text", "Time", "Told", "Word", "problems"]
