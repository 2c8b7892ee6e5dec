"""Refusals: requests that are turned away before the desk sees them are in the audit trail, too."""

from __future__ import annotations

import logging
from typing import Any

from starlette.types import Scope

from holdfast import codec
from holdfast.clock import SECOND, Clock
from holdfast.errors import StoreError
from holdfast.people import Caller
from holdfast.records.approval import AuditEntry
from holdfast.store.desk import Desk

logger = logging.getLogger("holdfast.server")

ANONYMOUS = "anonymous"
_STRANGERS = 100  # entries that strangers may cause at once, and one more each second: anybody can be refused for ever
_SAID = 500  # characters of a path, or of a reason
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Refusals:
    """Writes down who was refused what.

    What strangers may cause is bounded; how many were left out is in the next entry.

    Args:
        store: where the audit trail is.
        clock: tells when.
    """

    def __init__(self, store: Desk, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._left, self._counted_at, self._omitted = float(_STRANGERS), clock.now(), 0

    async def request(self, scope: Scope, error: str, why: str) -> None:
        """Note a request that was refused, if it would have changed something.

        Args:
            scope: of the request; whoever was found to send it is the actor.
            error: its sort, such as ``ScopeMissing``.
            why: what was said.
        """
        if scope["type"] != "http" or scope["method"] not in _UNSAFE:
            return
        caller: Caller | None = scope.get("state", {}).get("caller")
        approval, path = approval_in(scope["path"]), _shown(scope["path"])
        tried, said = f"{scope['method']} {path}", f"{error}: {_legible(why)}"
        await self.note(
            "approval.refused" if approval else "request.refused", approval or path,
            actor=caller.person.name if caller else ANONYMOUS, tried=tried, why=said, via=caller.via if caller else "",
        )  # fmt: skip

    async def note(self, action: str, subject: str, *, actor: str, run_id: str = "", **detail: Any) -> None:
        """Note anything. The request is refused even if it cannot be noted; the log says so then."""
        if actor == ANONYMOUS:
            if not self._may_note():
                self._omitted += 1
                return
            detail |= {"omitted": self._omitted} if self._omitted else {}
            self._omitted = 0
        entry = AuditEntry(
            at=self._clock.now(), actor=actor, action=action, subject=_legible(subject), run_id=run_id,
            detail=codec.pack(codec.canonical(detail)),
        )  # fmt: skip
        try:
            await self._store.audit([entry])
        except StoreError as error:
            logger.warning("%s of %s was refused %s, which could not be audited: %s", action, actor, detail, error)

    def _may_note(self) -> bool:
        now = self._clock.now()
        earned = (now - self._counted_at) / SECOND
        self._left, self._counted_at = min(_STRANGERS, self._left + earned), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def approval_in(path: str) -> str:
    """The approval that a path names; empty if it names none.

    Example:
        >>> approval_in("/api/approvals/01kb/decision"), approval_in("/inbox/01kb"), approval_in("/api/runs")
        ('01kb', '01kb', '')
    """
    match path.split("/")[1:]:
        case ["api", "resume", approval] | ["api", "approvals", approval, _] | ["inbox" | "confirm", approval, *_]:
            return "" if approval == "chosen" else _legible(approval)
    return ""


def _shown(path: str) -> str:
    """A path without the secret of a log-in link, which may still be good."""
    return "/login/…" if path.startswith("/login/") else _legible(path)


def _legible(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "")[:_SAID]
