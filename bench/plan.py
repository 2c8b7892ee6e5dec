"""How a measurement is to be made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Measure = Callable[[Path], float]
"""Measures once, in a fresh folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How a measurement is to be made.

    Attributes:
        place: the folder that databases are made in: on the disk that is to be measured.
        quick: little work, once, to see that everything runs; such figures mean nothing.
        suspended: how many runs are suspended while one is resolved.
        peers: whether peers are measured.
    """

    place: str
    quick: bool = False
    suspended: int = 100_000
    peers: bool = True

    def count(self, full: int, quick: int) -> int:
        """How many of something."""
        return quick if self.quick else full

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A fresh folder, which is removed at the end."""
        Path(self.place).mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=self.place))
        try:
            yield made
        finally:
            shutil.rmtree(made)

    def interleaved(self, *measures: Measure, rounds: int = 3) -> list[float]:
        """Each measure's median; measured in turn, since a disk is not as fast in one minute as in the next."""
        taken: list[list[float]] = [[] for _ in measures]
        for _ in range(self.count(rounds, 1)):
            for measure, values in zip(measures, taken, strict=True):
                with self.folder() as folder:
                    values.append(measure(folder))
        return [median(values) for values in taken]
