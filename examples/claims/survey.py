"""Walks over a claims file once, so that its claims can be read chunk by chunk afterwards.

The agent needs both: a file of any size does not fit into one recorded value, and some things (a loss claimed twice, a
property with several losses) only all claims together can say.
"""

import hashlib
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from examples.claims.model import Claim, Record, Related
from examples.claims.reader import ClaimsFileError, Rows, open_claims


class Chunk(Record):
    """A stretch of whole rows in a claims file."""

    offset: int  # in bytes
    size: int  # in bytes
    line: int  # number of its first line, from 1
    digest: str  # SHA-256 of its bytes


class Survey(Record):
    """What one walk over a claims file tells: where its rows are, and what only all claims together can say."""

    path: str
    columns: list[str]
    total: int
    chunks: list[Chunk]
    related: dict[str, Related]  # by claim id; claims that stand alone are left out


def survey(path: str | Path, chunk_rows: int = 250) -> Survey:
    """Walk over a file of claims once, checking every row, and say what is where. Raises ``ClaimsFileError``."""
    with open_claims(path) as file:
        rows = Rows(file, str(path))
        relations = _Relations()
        bounds = [(rows.offset, rows.line)]
        for number, claim in enumerate(rows, start=1):
            relations.add(claim)
            if number % chunk_rows == 0:
                bounds.append((rows.offset, rows.line))
        if bounds[-1][0] < rows.offset:
            bounds.append((rows.offset, rows.line))
        chunks = [_chunk(file, start, end, line) for (start, line), (end, _) in pairwise(bounds)]
        related = relations.found()
        return Survey(path=str(path), columns=rows.columns, total=relations.total, chunks=chunks, related=related)


def read_chunk(path: str, columns: list[str], chunk: Chunk) -> list[Claim]:
    """Read the claims of one chunk. Raises ``ClaimsFileError`` if the file is no longer what was surveyed."""
    with open_claims(path) as file:
        if _chunk(file, chunk.offset, chunk.offset + chunk.size, chunk.line) != chunk:
            raise ClaimsFileError(f"{path}, line {chunk.line}: the file has changed since it was surveyed")
        file.seek(chunk.offset)
        rows = Rows(file, path, columns, line=chunk.line, end=chunk.offset + chunk.size)
        return list(rows)


def _chunk(file: BinaryIO, start: int, end: int, line: int) -> Chunk:
    file.seek(start)
    digest = hashlib.sha256(file.read(end - start)).hexdigest()
    return Chunk(offset=start, size=end - start, line=line, digest=digest)


class _Relations:
    """Finds claims that repeat each other, and properties with several losses."""

    def __init__(self) -> None:
        self.total = 0
        self._same: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
        self._property: dict[str, tuple[object, ...]] = {}

    def add(self, claim: Claim) -> None:
        self.total += 1
        damage = (claim.building.damage, claim.contents.damage)
        if any(damage):
            self._same[claim.date_of_loss, claim.tract, claim.zip_code, *damage].append(claim.id)
        place = (claim.latitude, claim.longitude, claim.zip_code, claim.policy_began, claim.built)
        if None not in place:
            self._property[claim.id] = place

    def found(self) -> dict[str, Related]:
        """What is worth telling, by claim id: the public file names no property, so place and dates stand for it."""
        losses = Counter(self._property.values())
        related = {id: Related(losses=losses[place]) for id, place in self._property.items() if losses[place] > 1}
        for ids in self._same.values():
            for id in ids if len(ids) > 1 else ():
                others = [other for other in ids if other != id]
                related[id] = related.get(id, Related()).model_copy(update={"same": others})
        return related
