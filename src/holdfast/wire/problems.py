"""Sorts of problems: how errors are called when they travel, and what they were when they arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from holdfast import errors
from holdfast.wire.values import micros_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Sort:
    """A sort of problem: what all of them have in common."""

    slug: str
    status: int
    title: str


def _sort(slug: str, status: int, title: str) -> Sort:
    return Sort(slug=slug, status=status, title=title)


SORTS: tuple[tuple[str, Sort], ...] = (  # by the name of the class; the first that fits
    ("UnknownRun", _sort("unknown-run", 404, "There is no such run")),
    ("UnknownAgent", _sort("unknown-agent", 404, "There is no such agent, or nobody hosts it")),
    ("UnknownPerson", _sort("unknown-person", 404, "Nobody has this name")),
    ("UnknownApproval", _sort("unknown-approval", 404, "There is no such approval")),
    ("NotFound", _sort("not-found", 404, "There is no such thing")),
    ("NotAuthenticated", _sort("not-authenticated", 401, "Nobody knows who asks")),
    ("ScopeMissing", _sort("scope-missing", 403, "This is more than the token or the roles allow")),
    ("FourEyes", _sort("four-eyes", 403, "This is their own request")),
    ("NotAllowed", _sort("not-allowed", 403, "This person may not do that")),
    ("TokenUsed", _sort("token-used", 409, "This decision token was used already")),
    ("TokenExpired", _sort("token-expired", 410, "This decision token has expired")),
    ("TokenForged", _sort("token-forged", 401, "This decision token was not made by this server")),
    ("TokenMisplaced", _sort("token-misplaced", 409, "This decision token is for something else")),
    ("MessageForged", _sort("message-forged", 401, "No key that is known here has signed this message")),
    ("MessageStale", _sort("message-stale", 400, "This message was signed at another time")),
    ("MessageReplayed", _sort("message-replayed", 409, "This message has decided already")),
    ("MessageMisplaced", _sort("message-misplaced", 409, "This message is about something else")),
    ("AlreadyDecided", _sort("already-decided", 409, "Somebody has decided before")),
    ("ApprovalOver", _sort("approval-over", 410, "Nobody waits for this decision any more")),
    ("WrongDigest", _sort("wrong-digest", 409, "What was decided is not what is asked now")),
    ("EditRefused", _sort("edit-refused", 422, "The edits do not fit what is asked")),
    ("KeyConflict", _sort("key-conflict", 409, "The idempotency key belongs to another run")),
    ("WrongState", _sort("wrong-state", 409, "The present state forbids it")),
    ("TooLarge", _sort("too-large", 413, "A value is too large")),
    ("NotStorable", _sort("not-storable", 422, "A value cannot be stored")),
    ("UsageError", _sort("bad-request-value", 422, "A value makes no sense")),
    ("StoreBusy", _sort("busy", 503, "The store is busy")),
    ("CommitUnknown", _sort("busy", 503, "The store broke off")),
    ("StoreRejected", _sort("rejected", 422, "The store can never take this")),
    ("StoreError", _sort("store-unusable", 503, "The store cannot be used")),
)
FAULT = _sort("fault", 500, "The server failed")
INVALID = _sort("invalid", 422, "The request does not fit its schema")
MALFORMED = _sort("malformed", 400, "The body is no JSON")
_OF_STATUS = {
    400: _sort("malformed", 400, "The request cannot be read"),
    401: _sort("not-authenticated", 401, "Nobody knows who asks"),
    403: _sort("forbidden", 403, "This is not allowed"),
    404: _sort("not-found", 404, "There is no such thing"),
    405: _sort("method-not-allowed", 405, "That cannot be done here"),
    413: _sort("too-large", 413, "The body is too large"),
    415: _sort("unsupported-media-type", 415, "The body is of another type"),
}


def sort_of(error: Exception) -> Sort:
    """The sort of problem that an error is."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return next((sort for name, sort in SORTS if name in names), FAULT)


def of_status(status: int) -> Sort:
    """The sort of problem of an HTTP status."""
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    return _OF_STATUS.get(status) or _sort(phrase.lower().replace(" ", "-"), status, phrase)


def rebuilt(problem: Mapping[str, Any]) -> errors.HoldfastError:
    """The error that a problem document stands for."""
    detail = str(problem.get("detail", ""))
    cls = _class_of(str(problem.get("type", "")).rpartition("/")[2], int(problem.get("status", 500)))
    if cls is errors.AlreadyDecided:
        who, at = tuple(problem.get("by", ())), micros_of(problem.get("at")) or 0
        return errors.AlreadyDecided(detail, state=problem.get("state", ""), by=who, at=at)
    if cls is errors.ApprovalOver:
        return errors.ApprovalOver(detail, state=problem.get("state", ""))
    if cls is errors.WrongDigest:
        return errors.WrongDigest(detail, present=problem.get("present", ""))
    if cls is errors.EditRefused:
        return errors.EditRefused(detail, path=problem.get("path", "$"))
    return cls(detail)


def _class_of(slug: str, status: int) -> type[errors.HoldfastError]:
    if status >= 500 and slug not in ("busy", "store-unusable"):
        return errors.StoreError
    if slug in ("invalid", "malformed", "bad-request-value"):
        return errors.BadOption
    name = next((name for name, sort in SORTS if sort.slug == slug), "")
    found = getattr(errors, name, errors.StoreRejected)
    return found if isinstance(found, type) and issubclass(found, errors.HoldfastError) else errors.StoreRejected
