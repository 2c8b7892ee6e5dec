"""``/api/events`` and ``/api/runs/{run}/events``: what happens, as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import Field

from holdfast.people import Caller, Scope
from holdfast.records.approval import Approval, AuditEntry
from holdfast.records.run import Run
from holdfast.server.access import Known, Reader
from holdfast.server.house import House, InHouse
from holdfast.server.shapes import Asked, RunId, problems
from holdfast.server.sight import addressed_to, sees
from holdfast.server.streams import ALIVE, MEDIA_TYPE, EventStream, Pulse, event
from holdfast.store.base import Ears
from holdfast.store.desk import ApprovalFilter
from holdfast.wire.lines import line_of
from holdfast.wire.runs import run_json
from holdfast.wire.values import iso

router = APIRouter(tags=["events"], responses=problems(404))
_STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {MEDIA_TYPE: {}}, "description": "Events, without end."}}
_INBOX_NOT_OFTENER = 0.2  # seconds; looking at an inbox asks the store
_NOT_OFTENER = 0.02  # seconds; a busy store changes all the time
_PAGE = 500
_FIRST = 50  # approvals that are named
_AHEAD = 1000  # events that are fetched before whoever listens has taken them
_LAST_WORDS = 0.25  # seconds; what is told may come a little later than the news that the run has ended

LastEventId = Annotated[
    str | None, Header(pattern=r"^[0-9]{1,18}(\.[0-9]{1,10})?$", description="The last event that was received.")
]


class _Told(Asked):
    told: bool = Field(False, description="Also what steps say while they are at work; that is not replayed.")
    entries: bool = Field(True, description="With the entries of its journal.")


@router.get("/api/events", response_class=EventStream, responses=_STREAM)
async def get_events(
    who: Known, house: InHouse, request: Request, last_event_id: LastEventId = None
) -> EventStream:  # fmt: skip
    """What happens in the house.

    ``change``: something has (for readers). ``inbox``: what the caller is asked now, whenever it differs, and at first.
    ``approval``: somebody did or tried something with an approval that the caller may see; with an id, and replayed
    after ``Last-Event-ID``.
    """
    after = None if last_event_id is None else int(last_event_id.partition(".")[0])
    return EventStream(_house_events(house, request, who, after))


@router.get("/api/runs/{run_id}/events", response_class=EventStream, responses=_STREAM)
async def get_run_events(
    who: Reader, house: InHouse, request: Request, run_id: RunId, what: Annotated[_Told, Query()],
    last_event_id: LastEventId = None,
) -> EventStream:  # fmt: skip
    """What happens in a run, until it ends.

    ``run``: its record, whenever it differs. ``entry``: an entry of its journal, with ``generation.number`` as its id;
    all of them, or those after ``Last-Event-ID``. ``told``: what a step says. ``end``: there will be no more.
    """
    await house.client.info(run_id)
    generation, _dot, number = (last_event_id or "").partition(".")
    begun = (int(generation), int(number)) if number else None
    stream = _RunEvents(house, request, who, run_id, begun, entries=what.entries)
    return EventStream(stream.with_told() if what.told else stream.events())


# -- of the house


async def _house_events(house: House, request: Request, who: Caller, after: int | None) -> AsyncIterator[bytes]:
    reads, decides = Scope.READ in who.scopes, Scope.DECIDE in who.scopes
    inbox = b""
    if decides and after is None:
        after = await _newest(house)
    async for _ in Pulse(house, request, who):
        told = event("change", {}) if reads else ALIVE
        if decides and after is not None:
            found = await _inbox(house, who)
            told += found if found != inbox else b""
            inbox = found
        yield told
        while after is not None and decides and (entries := await house.store.audited(after=after, limit=_PAGE)):
            after = entries[-1].n
            if told := b"".join([await _audited(house, who, entry) for entry in entries]):
                yield told  # page by page: all that was ever said may be much
            if house.stopping:
                return
        await asyncio.sleep(_INBOX_NOT_OFTENER if decides else _NOT_OFTENER)


async def _inbox(house: House, who: Caller) -> bytes:
    which = ApprovalFilter(to=addressed_to(who.person), limit=_FIRST)
    found = await house.store.approvals(which)
    first = [one for one in found if sees(who.person, one)]
    pending = len(first) if len(found) < _FIRST else await house.store.count_approvals(which)
    return event("inbox", {"pending": pending, "first": [_brief(one) for one in first]})


def _brief(one: Approval) -> dict[str, Any]:
    return {"approval": one.id, "revision": one.revision, "run": one.run_id, "agent": one.agent, "risk": one.risk}


async def _audited(house: House, who: Caller, entry: AuditEntry) -> bytes:
    if not entry.action.startswith("approval."):
        return b""
    about = await house.store.approval(entry.subject)
    if about is None or not sees(who.person, about):
        return b""
    said = _brief(about) | {"action": entry.action, "by": entry.actor, "at": iso(entry.at), "state": str(about.state)}
    return event("approval", said, id=str(entry.n))


async def _newest(house: House) -> int:
    """The number of the newest audit entry: a few looks, however many there are."""
    low, high = 0, 1
    while await house.store.audited(after=high, limit=1):
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        if await house.store.audited(after=middle, limit=1):
            low = middle + 1
        else:
            high = middle
    return low


# -- of one run


class _RunEvents:
    def __init__(
        self, house: House, request: Request, who: Caller, run_id: str, begun: tuple[int, int] | None, *, entries: bool
    ) -> None:
        self._house = house
        self._request = request
        self._who = who
        self._run_id = run_id
        self._at = begun
        self._with_entries = entries
        self.ahead: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_AHEAD)

    async def events(self) -> AsyncIterator[bytes]:
        shown: Run | None = None
        async for _ in Pulse(self._house, self._request, self._who):
            run = await self._house.store.get(self._run_id)
            if run is None:  # it was deleted
                break
            async for told in self._entries(run):
                yield told
            yield event("run", run_json(run, values=False)) if run != shown else ALIVE
            shown = run
            if run.status.ended:
                break
            await asyncio.sleep(_NOT_OFTENER)
        if not self._house.stopping:
            yield event("end", {})

    async def _entries(self, run: Run) -> AsyncIterator[bytes]:
        if not self._with_entries:
            return
        after = self._at[1] if self._at is not None and self._at[0] == run.generation else 0
        while page := await self._house.store.journal(self._run_id, after=after, limit=_PAGE):
            after = page[-1].seq
            self._at = (run.generation, after)
            for entry in page:
                yield event("entry", line_of(entry), id=f"{run.generation}.{entry.seq}")

    async def with_told(self) -> AsyncIterator[bytes]:
        """The same, with what steps say in between."""
        ears = self._house.store.ears(self._run_id)
        tasks = [asyncio.create_task(self._collect(told)) for told in (self._hear(ears), self._happen())]
        try:
            while (told := await self.ahead.get()) is not None:
                if isinstance(told, Exception):
                    raise told
                yield told
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            ears.close()

    async def _collect(self, events: AsyncIterator[bytes]) -> None:
        """Fetch events ahead; at last None, or what went wrong. Who is cancelled says no more: nobody would take it."""
        end: Exception | None = None
        try:
            async for told in events:
                await self.ahead.put(told)
        except Exception as error:  # raised where they are taken
            end = error
        await self.ahead.put(end)

    async def _hear(self, ears: Ears) -> AsyncIterator[bytes]:
        while True:
            for data in await ears.hear(60.0):
                yield event("told", data.decode("utf-8", "replace"))

    async def _happen(self) -> AsyncIterator[bytes]:
        async for told in self.events():
            if told.startswith(b"event: end"):
                await asyncio.sleep(_LAST_WORDS)
            yield told
