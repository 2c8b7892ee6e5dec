"""The lobby: those who wait for runs to stop. The store is watched once for all of them, and asked one question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

from holdfast.durable.patience import Patience
from holdfast.errors import StoreError
from holdfast.store.base import Store

_FEW = 32  # so many are asked for at every change
_BREATH, _LONGEST = 3, 0.5  # for more, looking takes a quarter of the time at the most; seconds

Seat = asyncio.Future[None]


class Lobby:
    """Those of one client who wait for runs.

    Args:
        store: where the runs are.
        look_again: seconds until it is asked again though nothing has changed.

    Attributes:
        patience: of all of them, so that the log says once that the store is away.
    """

    def __init__(self, store: Store, look_again: float) -> None:
        self._store = store
        self._look_again = look_again
        self._seats: dict[str, set[Seat]] = {}
        self.patience = Patience(self._who)
        self._lookout: asyncio.Task[None] | None = None
        self._breath = 0.0

    @contextmanager
    def seat(self, run_id: str) -> Iterator[Seat]:
        """Wait for a run: the seat is done once it has ended, or has stopped until a person resumes it.

        Whoever has taken it looks at the run once more, and then waits: what happens after that look is seen from here.
        """
        seat: Seat = asyncio.get_running_loop().create_future()
        self._seats.setdefault(run_id, set()).add(seat)
        if self._lookout is None:
            self._lookout = asyncio.get_running_loop().create_task(self._look_out(), name="holdfast-lobby")
        try:
            yield seat
        finally:
            self._leave(run_id, seat)

    def _leave(self, run_id: str, seat: Seat) -> None:
        seat.cancel()
        seats = self._seats.get(run_id, set())
        seats.discard(seat)
        if not seats:
            self._seats.pop(run_id, None)
        if not self._seats and self._lookout is not None:
            self._lookout.cancel()
            self._lookout = None

    async def _look_out(self) -> None:
        try:
            async with aclosing(self.patience.answers(self._store, self._ask, self._look_again)) as answers:
                async for stopped in answers:
                    for run_id in stopped:
                        for seat in self._seats.pop(run_id, ()):
                            _release(seat, None)
        except StoreError as error:  # it cannot be asked any more
            seats, self._seats = self._seats, {}
            for seat in (seat for several in seats.values() for seat in several):
                _release(seat, error)

    async def _ask(self) -> list[str]:
        if len(self._seats) > _FEW:
            await asyncio.sleep(self._breath)
        began = time.perf_counter()
        stopped = await self._store.stopped(list(self._seats))
        self._breath = min(_LONGEST, (time.perf_counter() - began) * _BREATH)
        return stopped

    def _who(self) -> str:
        first = next(iter(self._seats), "")
        return f"run {first}" if len(self._seats) == 1 else "runs"


def _release(seat: Seat, error: StoreError | None) -> None:
    if seat.done():
        return
    if error is None:
        seat.set_result(None)
    else:
        seat.set_exception(error)
        seat.exception()  # whoever waited may be gone
