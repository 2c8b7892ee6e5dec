"""The path of a workspace, and texts that do without it.

A run may resume under another root, in another process, on another machine. What is recorded has to mean the same
there, so the workspace's own path is written as a mark in what steps return, in keys and in fingerprints, and values
that are read back have the present path in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast import codec

MARK = "~holdfast:workspace~"
_OPENING, _ESCAPED = b"~holdfast:", b"~holdfast::"
_MARKED = re.compile(rb"~holdfast:(:|workspace~)")
_END = r"(?![\w-]|\.\d)"  # /w/run-1 is no part of /w/run-12


class Place:
    """Where a run's workspace is in this activation; known from when the body asks for it.

    Args:
        choose: names the path; called once, from the body.
    """

    def __init__(self, choose: Callable[[], Path]) -> None:
        self.path: Path | None = None
        self._choose = choose
        self._json = b""  # the path as it is written inside a JSON string
        self._in_json = self._in_text = re.compile("")

    def touch(self) -> Path:
        """The path; from here on the run has a workspace."""
        if self.path is None:
            path = self._choose()
            self._json = codec.shape_of(str).encode(str(path))[1:-1]
            self._in_json = re.compile(re.escape(self._json.decode()) + _END)
            self._in_text = re.compile(re.escape(str(path)) + _END)
            self.path = path
        return self.path

    # What nobody reads back: fingerprints, keys, the run's result

    def text(self, text: str) -> str:
        """A text with the mark for the path."""
        return text if self.path is None else self._in_text.sub(MARK, text)

    def described(self, text: str) -> str:
        """A JSON text with the mark for the path."""
        return text if self.path is None else self._in_json.sub(MARK, text)

    def shown(self, data: bytes) -> bytes:
        """An encoded value with the mark for the path."""
        return self.described(data.decode()).encode() if self.path is not None and self._json in data else data

    # Values, as they were

    def portable(self, data: bytes) -> bytes:
        """An encoded value with the mark for the path, from which :meth:`local` makes it again."""
        return data if self.path is None else self.shown(data.replace(_OPENING, _ESCAPED))

    def local(self, data: bytes) -> bytes:
        """An encoded value with the present path."""
        if self.path is None or _OPENING not in data:
            return data
        return _MARKED.sub(lambda found: _OPENING if found[1] == b":" else self._json, data)

    def repacked(self, packed: bytes) -> bytes:
        """A packed value, portable."""
        data = codec.unpack(packed)
        portable = self.portable(data)
        return packed if portable == data else codec.pack(portable)

    def localising(self, shape: Any) -> Any:
        """What decodes portable values."""
        return shape if self.path is None else _Local(shape, self)


class _Local:
    def __init__(self, shape: Any, place: Place) -> None:
        self._shape = shape
        self._place = place

    def decode(self, data: bytes) -> Any:
        return self._shape.decode(self._place.local(data))


def nowhere(run_id: str) -> Place:
    """The place of a run that is only replayed: a path, and nothing there."""
    return Place(lambda: Path("/", "holdfast", run_id))
