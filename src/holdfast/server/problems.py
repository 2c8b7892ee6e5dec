"""Problems: every error that leaves the server is a problem document (RFC 9457), and says what to do."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from holdfast import errors
from holdfast.server.refusals import approval_in
from holdfast.wire.problems import FAULT, INVALID, MALFORMED, Sort, of_status, sort_of
from holdfast.wire.values import iso

logger = logging.getLogger("holdfast.server")

MEDIA_TYPE = "application/problem+json"
TOO_LARGE = "the body is larger than this server takes: put large values elsewhere and send a reference"
_HIDDEN = "the server failed; its log says why. Whether something was done is not known: look before you retry"


class Problem(BaseModel):
    """What went wrong: a problem document as RFC 9457 has it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "/problems/unknown-run",
                "title": "There is no such run",
                "status": 404,
                "detail": "no run '01kb…' in sqlite:///claims.db: `holdfast runs list` shows those there are",
                "instance": "/api/runs/01kb…",
                "run": "01kb…",
            }
        },
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    run: str | None = None
    approval: str | None = None
    errors: list[dict[str, Any]] | None = None


class Refused(Exception):
    """A request is refused before anything looks at what it asks; becomes a problem."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def answer(
    request_path: str, sort: Sort, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """The response that says a problem."""
    body = _document(request_path, sort, detail, more)
    return JSONResponse(body, sort.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _document(request_path: str, sort: Sort, detail: str, more: Mapping[str, Any]) -> dict[str, Any]:
    about = _about(request_path) | {name: value for name, value in more.items() if value is not None}
    return {
        "type": f"/problems/{sort.slug}",
        "title": sort.title,
        "status": sort.status,
        "detail": _legible(detail),
        "instance": request_path,
        **about,
    }


def answer_error(request_path: str, error: Exception) -> JSONResponse:
    """The response that says an error."""
    sort = sort_of(error)
    headers = {"WWW-Authenticate": 'Bearer realm="holdfast"'} if sort.status == 401 else {}
    if sort.status == 503:
        headers["Retry-After"] = "1"
        logger.warning("%s: %s", request_path, error)
    if sort is FAULT:
        logger.error("%s failed", request_path, exc_info=error)
        return answer(request_path, sort, _HIDDEN)
    return answer(request_path, sort, str(error), headers=headers, **_more(error))


def problem_json(request_path: str, error: errors.HoldfastError) -> dict[str, Any]:
    """The problem document of an error, to be part of an answer."""
    return _document(request_path, sort_of(error), str(error), _more(error))


def _more(error: Exception) -> dict[str, Any]:
    """What an error of the desk knows: who was first, and when; the present digest; where an edit does not fit."""
    known = {name: getattr(error, name, None) for name in ("state", "by", "at", "present", "path")}
    if isinstance(error, errors.AlreadyDecided):
        known["at"] = iso(error.at)
    return known if isinstance(error, errors.DeskRefused) else {}


def install(app: FastAPI) -> None:
    """Have an app answer with problems."""

    @app.exception_handler(errors.HoldfastError)
    async def _holdfast(request: Request, error: errors.HoldfastError) -> JSONResponse:
        if isinstance(error, errors.NotAuthenticated | errors.ScopeMissing):
            await note(request, error)
        return answer_error(_path(request), error)

    @app.exception_handler(Refused)
    async def _refused(request: Request, error: Refused) -> JSONResponse:
        await note(request, error)
        return answer(_path(request), of_status(error.status), error.detail, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        answered = _of_validation(_path(request), error.errors())
        if approval_in(_path(request)):
            await request.app.state.house.refusals.request(request.scope, "Invalid", _said(error.errors()))
        return answered

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
        if error.status_code == 413:
            await note_too_large(request.scope)
        return answer(_path(request), of_status(error.status_code), _advice(request, error), headers=headers)


async def note(request: Request, error: Exception) -> None:
    """Have it in the audit trail that a request was refused; its sort is the name of the error."""
    await request.app.state.house.refusals.request(request.scope, type(error).__name__, str(error))


async def note_too_large(scope: Scope) -> None:
    """Have it in the audit trail that a body was larger than what is taken."""
    await scope["app"].state.house.refusals.request(scope, "TooLarge", TOO_LARGE)


def _of_validation(path: str, found: Sequence[Mapping[str, Any]]) -> JSONResponse:
    if any(one["type"] == "json_invalid" for one in found):
        return answer(path, MALFORMED, "the body is no JSON: send an object, Content-Type: application/json")
    told = [{"at": _place(one["loc"]), "message": _legible(str(one["msg"]))} for one in found[:20]]
    return answer(path, INVALID, _said(found), errors=told)


def _said(found: Sequence[Mapping[str, Any]]) -> str:
    said = "; ".join(f"{_place(one['loc'])}: {_legible(str(one['msg']))}" for one in found[:3])
    return f"{said}{' …' if len(found) > 3 else ''}"


def _place(loc: Sequence[Any]) -> str:
    return _legible(".".join(map(str, loc)))


def _advice(request: Request, error: HTTPException) -> str:
    match error.status_code:
        case 404:
            return "nothing is at this address: /api/openapi.json lists what there is"
        case 405:
            return f"{request.method} cannot be done here: {_allowed(request)} can"
        case 413:
            return TOO_LARGE
        case _:
            return str(error.detail)


def _allowed(request: Request) -> str:
    """What can be done at a path, by whatever route."""
    fitting = [route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted(set[str]().union(*(getattr(route, "methods", None) or () for route in fitting))))


def _about(path: str) -> dict[str, str]:
    """The run or the approval that a path names."""
    parts = path.split("/")
    for folder, name in (("runs", "run"), ("approvals", "approval"), ("resume", "approval")):
        if len(parts) > 3 and parts[1] == "api" and parts[2] == folder:
            return {name: parts[3]}
    return {}


def _path(request: Request) -> str:
    return _legible(request.scope["path"])


def _legible(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
