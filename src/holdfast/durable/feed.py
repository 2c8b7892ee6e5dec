"""What is still to be delivered, in order of ``seq``, from several sources that are each in order."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from holdfast.records.journal import Entry, Item, ItemIndex, Kind

Delivery = Entry | Item
DELIVERED = (Kind.OUTCOME, Kind.FIRED, Kind.CANCEL)  # most are the first: to hash one would take longer


class _Recorded:
    """The entries that an activation began with."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries: Iterator[Entry] = (entry for entry in entries if entry.kind in DELIVERED)
        self._head = next(self._entries, None)

    @property
    def seq(self) -> int | None:
        return self._head.seq if self._head else None

    def pop(self) -> Delivery:
        head, self._head = self._head, next(self._entries, None)
        assert head is not None, "popped past its end: Feed.pop checks seq first"
        return head


class _Indexed:
    """The items of a resumed map: read off its index one at a time, so that a large map costs no objects."""

    def __init__(self, map_hash: int, index: ItemIndex, within: int | None) -> None:
        self._map, self._index, self._within, self._next = map_hash, index, within, 0

    @property
    def seq(self) -> int | None:
        return self._index.seqs[self._next] if self._next < len(self._index.seqs) else None

    def pop(self) -> Delivery:
        index, i = self._index, self._next
        self._next += 1
        return Item(
            self._map,
            index.ords[i],
            index.branches[i],
            index.seqs[i],
            index.ats[i],
            index.oks[i] == 1,
            None,
            self._within,
        )


class Feed:
    """The queue of deliveries."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._sources: list[tuple[int, int, _Recorded | _Indexed]] = []  # a heap by seq, without exhausted ones
        self._added = 0
        self._live: deque[Delivery] = deque()
        self._add(_Recorded(entries))

    def add_index(self, map_hash: int, index: ItemIndex, within: int | None) -> None:
        """Add the recorded items of a map that the body has just begun."""
        self._add(_Indexed(map_hash, index, within))

    def push(self, committed: Iterable[Delivery]) -> None:
        """Add what has just been committed; its ``seq`` is above all others."""
        self._live.extend(committed)

    def pop(self) -> Delivery | None:
        """The next delivery, if any is left."""
        sources = self._sources
        if not sources:
            return self._live.popleft() if self._live else None
        _, number, source = sources[0]
        delivery = source.pop()
        if source.seq is None:
            heapq.heappop(sources)
        else:
            heapq.heapreplace(sources, (source.seq, number, source))
        return delivery

    def _add(self, source: _Recorded | _Indexed) -> None:
        if source.seq is not None:
            self._added += 1
            heapq.heappush(self._sources, (source.seq, self._added, source))
