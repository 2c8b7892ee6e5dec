"""What is told of runs and kept nowhere. See :class:`holdfast.store.nouns.telling.Telling`."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.store.sqlite.ears import EARS, SqliteEars, Voice
from holdfast.store.sqlite.file import SharedFile
from holdfast.store.sqlite.nouns.ways import Ways


class Telling(Ways):
    """What is told of runs while they are at work."""

    def __init__(self, file: SharedFile) -> None:
        super().__init__(file)
        self._voice = Voice(file.sidecar / EARS)

    def tell(self, run_id: str, data: Callable[[], bytes]) -> None:
        self._voice.tell(run_id, data)

    def ears(self, run_id: str) -> SqliteEars:
        self._refuse_closed()
        return SqliteEars(self._file.sidecar / EARS, run_id)
