"""The body's timers. They have no rows: a run's ``wake_at`` is the earliest of them, written when it suspends."""

from __future__ import annotations

import heapq

from holdfast.durable.loop import BodyTimer


class Timers:
    """Timers that are set, by key; those that fired together are delivered by (deadline, number)."""

    def __init__(self) -> None:
        self._armed: dict[str, BodyTimer] = {}
        self._heap: list[tuple[int, int, BodyTimer]] = []
        self._known: set[str] = set()
        self._count = 0

    def arm(self, timer: BodyTimer) -> None:
        """Set a timer."""
        self._count += 1
        timer.number = self._count
        self._armed[timer.key] = timer
        self._known.add(timer.key)
        heapq.heappush(self._heap, (timer.deadline, timer.number, timer))

    def disarm(self, timer: BodyTimer) -> None:
        """Forget a timer, armed or fired."""
        self._armed.pop(timer.key, None)

    def knows(self, key: str) -> bool:
        """Whether the code has set a timer of this key, even if it is cancelled by now."""
        return key in self._known

    def take(self, key: str) -> BodyTimer | None:
        """The armed timer of this key, disarmed; None if it was cancelled."""
        return self._armed.pop(key, None)

    def next_deadline(self) -> int | None:
        """When the next timer is due."""
        while self._heap and self._armed.get(self._heap[0][2].key) is not self._heap[0][2]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: int) -> list[str]:
        """Keys of the timers that are due, in the order in which they fire. They stay armed."""
        first = self.next_deadline()
        if first is None or first > now:
            return []
        return [
            key
            for _, _, key in sorted((t.deadline, t.number, t.key) for t in self._armed.values() if t.deadline <= now)
        ]
