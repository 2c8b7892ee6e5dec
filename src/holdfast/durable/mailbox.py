"""The mailbox of an activation: what others have told its run, and which of it has been read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from holdfast import codec
from holdfast.durable.asks import ItemRef
from holdfast.durable.draft import Draft
from holdfast.records.journal import CANCEL, PAUSE, EndedChild, News, Op
from holdfast.store.base import Claimed, Store


class Mailbox:
    """News of a run, and ends of the children of its maps."""

    def __init__(self, claimed: Claimed, store: Store) -> None:
        run, history = claimed.run, claimed.history
        self._rid = run.rid
        self._store = store
        self._news: deque[News] = deque(history.news)
        self._exists = run.wakes  # news up to here has been announced
        self._moved: set[int] = set(history.groups)  # maps of which children may have ended
        self.read_to = max([run.seen, *(news.wake for news in self._news)])

    def __len__(self) -> int:
        return len(self._news)

    @property
    def unread(self) -> bool:
        """Whether the store has something that was not read."""
        return self._exists > self.read_to or bool(self._moved)

    def announce(self, wakes: int) -> None:
        """There is news up to this number."""
        self._exists = max(self._exists, wakes)

    def moved(self, maps: Iterable[int]) -> None:
        """Children of these maps may have ended."""
        self._moved.update(maps)

    def clear(self) -> None:
        """Forget what was read: the run has ended."""
        self._news.clear()

    async def read(self) -> list[tuple[int, list[EndedChild]]]:
        """Read what is unread; returns the ended children by map.

        Raises:
            StoreError: it could not be read; nothing is lost.
        """
        moved, self._moved = self._moved, set()
        try:
            ended = [(map_hash, await self._store.ended_children(self._rid, map_hash)) for map_hash in sorted(moved)]
            # After them, and whenever there may be any: a cancel that ended them was filed before they ended, and the
            # body has to hear of it first. It would fail of cancelled children otherwise, and its run with it.
            if moved or self._exists > self.read_to:
                self._news.extend(await self._store.news(self._rid, after=self.read_to))
                self.read_to = self._exists = max([self.read_to, *(news.wake for news in self._news)])
        except BaseException:
            self._moved |= moved
            raise
        return ended

    @property
    def has_cancel(self) -> bool:
        """Whether it holds a request to cancel."""
        return any(news.op is Op.RUN and news.key == CANCEL for news in self._news)

    def write(
        self, draft: Draft, cancel: Callable[[Draft, str], None], pause: Callable[[], None],
        branch_of: Callable[[str], int | None],
    ) -> None:  # fmt: skip
        """Add news to a draft until it is full; ``cancel`` adds a request to cancel, ``pause`` takes one to pause."""
        while self._news and not draft.full:
            news = self._news.popleft()
            draft.seen = news.wake
            if news.op is Op.RUN and news.key == PAUSE:
                pause()
            elif news.op is Op.RUN:
                cancel(draft, codec.Failed.unpack(news.value).message if news.value else "")
            elif news.op is Op.MAP:
                self._moved.add(codec.hash64(news.key))
            else:
                draft.news(news, branch_of(news.key))


def item_of(map_hash: int, child: EndedChild, within: int | None) -> ItemRef:
    """The item that an ended child stands for."""
    return ItemRef(map=map_hash, ord=child.ord, branch=child.branch, within=within)
