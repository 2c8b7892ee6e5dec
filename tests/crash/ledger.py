"""The external ledger: what steps really did, written by them to a file that no kill takes back."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdfast import idempotency_key

_here: Ledger | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A step has begun or ended."""

    step: str  # its idempotency key: run, generation, key
    what: str  # "begin", "end" or "raise"
    pid: int


class Ledger:
    """An append-only file; each line is one write, so lines of several processes do not mix."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()
        self._read_to = 0

    def use_here(self) -> None:
        """Steps of this process write to it from now on."""
        global _here
        _here = self

    @property
    def length(self) -> int:
        """Where the next line begins."""
        return self.path.stat().st_size

    def write(self, step: str, what: str) -> None:
        """Append a line."""
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, f"{what} {os.getpid()} {step}\n".encode())
        finally:
            os.close(file)

    def lines(self, since: int = 0) -> list[Line]:
        """What was written, from a :attr:`length` on."""
        words = [line.split(" ", 2) for line in self._whole_lines(since).decode().splitlines()]
        return [Line(step, what, int(pid)) for what, pid, step in words]

    def _whole_lines(self, since: int) -> bytes:
        with open(self.path, "rb") as file:
            file.seek(since)
            written = file.read()
        return written[: written.rfind(b"\n") + 1]  # a line that crosses a page may be seen half written

    def begun(self, since: int = 0) -> Counter[str]:
        """How often each step began."""
        return Counter(line.step for line in self.lines(since) if line.what == "begin")

    def times(self, step: str) -> int:
        """How often a step began, so far; reads only what is new, for it is asked in every step."""
        with self._lock:
            new = self._whole_lines(self._read_to)
            self._read_to += len(new)
            begun = (line.split(b" ", 2)[2] for line in new.splitlines() if line.startswith(b"begin "))
            self._counted.update(name.decode() for name in begun)
            return self._counted[step]


@contextmanager
def noted() -> Iterator[int]:
    """Write to the ledger that the step around it begins and ends; gives how often it has begun."""
    assert _here is not None, "the process was given a ledger"
    step = idempotency_key()
    _here.write(step, "begin")
    try:
        yield _here.times(step)
    except BaseException:
        _here.write(step, "raise")
        raise
    _here.write(step, "end")
