"""Reading a journal file: line by line, keeping no more than a replay needs."""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, TypeVar

from holdfast.durable.core import Loader
from holdfast.errors import BadRecording, HoldfastError
from holdfast.records.journal import Entry, Group, History, Item, ItemIndex
from holdfast.records.run import Run
from holdfast.wire.lines import FORMAT, VERSION, entry_of, group_of, item_of, run_of
from holdfast.wire.values import Line

T = TypeVar("T")

_FOREIGN = "is no journal file of Holdfast: its first line is no header; `holdfast runs export` writes such files"


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """What a file says."""

    run: Run
    history: History
    loader: Loader
    app: str | None


class Reader:
    """Reads one file, and keeps what a replay needs of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts = {"entry": 0, "item": 0, "group": 0}
        self._seq = 0
        self._entries: dict[int | None, list[Entry]] = defaultdict(list)  # by branch
        self._maps: dict[int, ItemIndex] = {}
        self._inside: dict[int, set[int]] = defaultdict(set)  # maps by the branch in which they run
        self._finished: set[int] = set()  # branches
        self._groups: dict[int, Group] = {}
        self._values = _Values(path)

    def read(self, file: BinaryIO) -> Read:
        """Read it all.

        Raises:
            BadRecording: it is no whole journal file of a version that this one knows.
        """
        numbered = self._lines(file)
        header = self._header(numbered)
        end: Line | None = None
        for number, place, line in numbered:
            if end is not None:
                raise self._bad(f"goes on after its end, in line {number}: it may be two files in one")
            if line.get("type") == "end":
                end = line
            else:
                self._take(number, place, line)
        self._check_end(end)
        entries = sorted((entry for held in self._entries.values() for entry in held), key=attrgetter("seq"))
        history = History(entries=entries, maps=self._maps, groups=self._groups, news=())
        run = self._parsed(1, lambda: run_of(header["run"]))
        return Read(run=run, history=history, loader=self._values, app=header.get("app"))

    def _lines(self, file: BinaryIO) -> Iterator[tuple[int, int, Line]]:
        """Number, place in the file, and content of each line."""
        place = 0
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
            except (ValueError, RecursionError) as error:
                if number == 1:
                    raise self._bad(_FOREIGN) from error
                cut = "" if text.endswith(b"\n") else "; the file may have been cut there"
                raise self._bad(f"is damaged: line {number} is no JSON ({error}){cut}") from error
            if not isinstance(line, dict):
                raise self._bad(_FOREIGN if number == 1 else f"is damaged: line {number} is no object")
            yield number, place, line
            place += len(text)

    def _header(self, numbered: Iterator[tuple[int, int, Line]]) -> Line:
        _, _, header = next(numbered, (0, 0, None))
        if header is None:
            raise self._bad("is empty: export the run again")
        if header.get("format") != FORMAT:
            raise self._bad(_FOREIGN)
        version = header.get("version")
        if isinstance(version, int) and version > VERSION:
            writer = header.get("holdfast") or "a newer version"
            raise self._bad(
                f"has format version {version}, written by Holdfast {writer}; this one reads {VERSION}: upgrade"
            )
        if version != VERSION:
            raise self._bad(f"has format version {version}, which does not say enough to replay: export the run again")
        return header

    def _take(self, number: int, place: int, line: Line) -> None:
        match line.get("type"):
            case "entry":
                self._take_entry(number, self._parsed(number, lambda: entry_of(line)))
            case "item":
                self._take_item(number, place, self._parsed(number, lambda: item_of(line)))
            case "group":
                group = self._parsed(number, lambda: group_of(line))
                self._groups[group.map] = group
            case other:
                raise self._bad(f"is damaged: line {number} is of an unknown type, {other!r}")
        self._counts[line["type"]] += 1

    def _take_entry(self, number: int, entry: Entry) -> None:
        self._in_order(number, entry.seq)
        if entry.branch not in self._finished:
            self._entries[entry.branch].append(entry)

    def _take_item(self, number: int, place: int, item: Item) -> None:
        self._in_order(number, item.seq)
        self._forget(item.branch)
        if item.within in self._finished:
            return
        if item.within is not None:
            self._inside[item.within].add(item.map)
        index = self._maps.get(item.map)
        if index is None:
            index = self._maps[item.map] = ItemIndex(
                ords=array("q"), branches=array("q"), seqs=array("q"), ats=array("q"), oks=bytearray()
            )
        self._parsed(number, lambda: _append(index, item))
        self._values.add(item, place)

    def _forget(self, branch: int) -> None:
        """A branch has finished: what happened in it is not replayed. Dropped at once, so that a large map fits."""
        self._finished.add(branch)
        self._entries.pop(branch, None)
        for inner in self._inside.pop(branch, ()):
            self._maps.pop(inner, None)
            self._values.forget(inner)

    def _in_order(self, number: int, seq: int) -> None:
        if not (isinstance(seq, int) and seq > self._seq):
            raise self._bad(f"is damaged: line {number} has seq {seq!r} after {self._seq}: lines are out of order")
        self._seq = seq

    def _check_end(self, end: Line | None) -> None:
        if end is None:
            raise self._bad("was cut short: its last line, of type `end`, is missing; export the run again")
        for name, kind in (("entries", "entry"), ("items", "item")):
            if end.get(name) != self._counts[kind]:
                raise self._bad(
                    f"is damaged: its last line tells of {end.get(name)!r} {name}, there are {self._counts[kind]}"
                )

    def _parsed(self, number: int, parse: Callable[[], T]) -> T:
        try:
            return parse()
        except KeyError as error:
            raise self._bad(f"is damaged: line {number} lacks or misstates {error}") from error
        except (ValueError, TypeError, AttributeError, OverflowError, HoldfastError) as error:
            raise self._bad(f"is damaged: line {number} cannot be understood ({error})") from error

    def _bad(self, what: str) -> BadRecording:
        return BadRecording(f"{self._path} {what}")


def _append(index: ItemIndex, item: Item) -> None:
    if item.ord < 0:
        raise ValueError(f"ord {item.ord} is negative")
    index.ords.append(item.ord)
    index.branches.append(item.branch)
    index.seqs.append(item.seq)
    index.ats.append(item.at)
    index.oks.append(item.ok)


class _Values:
    """Values of items, read from their lines when they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[int, dict[int, int]] = defaultdict(dict)  # of lines, by map and ord

    def add(self, item: Item, place: int) -> None:
        self._places[item.map][item.ord] = place

    def forget(self, map_hash: int) -> None:
        self._places.pop(map_hash, None)

    def __call__(self, map_hash: int, ords: Sequence[int]) -> list[bytes]:
        places = self._places[map_hash]
        with self._path.open("rb") as file:
            return [self._read(file, places[ord_]) for ord_ in ords]

    def _read(self, file: BinaryIO, place: int) -> bytes:
        file.seek(place)
        try:
            return item_of(json.loads(file.readline())).value or b""
        except (ValueError, KeyError, TypeError) as error:
            raise BadRecording(f"{self._path} has changed since it was read: read it again") from error
