"""What a workspace stores of a file that changes, and how it sees that one has changed."""

from __future__ import annotations

import io
import math
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from holdfast import codec
from holdfast.durable.workspace import chunks, scan
from holdfast.durable.workspace.restore import Restore
from holdfast.durable.workspace.scan import Known, Scan
from holdfast.records.files import Chunk, FileInfo, FileKind
from tests.kernel.workspaces import write

KB = 2**10


def stored(body: bytes, old: Sequence[Chunk]) -> tuple[tuple[Chunk, ...], int]:
    """The chunks of a file, and how many bytes of it are new."""
    found = list(chunks.contents(io.BytesIO(body), len(body), old))
    assert sum(chunk.size for chunk, _ in found) == len(body)
    return tuple(chunk for chunk, _ in found), sum(len(new) for _, new in found if new is not None)


def same(number: int) -> int:
    return 100


def uneven(number: int) -> int:
    return 1 + number * 37 % 400


def shrinking(number: int) -> int:
    return max(1, 600 - number // 2)


@pytest.mark.parametrize("piece", [same, uneven, shrinking])
def test_n_appends_cost_n_log_n_bytes_and_log_n_chunks(piece: Callable[[int], int]) -> None:
    body, made, total = b"", (), 0
    for number in range(1000):
        body += os.urandom(piece(number))
        made, new = stored(body, made)
        total += new
        assert len(made) <= 2 + math.log2(len(body)) + 2 * len(body) / chunks.CHUNK
    assert total <= 1.2 * len(body) * math.log2(1000), f"{total / len(body):.1f} times its size"


def test_of_a_large_log_only_the_end_is_stored_again() -> None:
    body = os.urandom(20 * chunks.CHUNK + 12_345)
    made, new = stored(body, ())
    assert new == len(body)
    _, new = stored(body + b"a line", made)
    assert new <= chunks.CHUNK


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_a_file_its_chunks_make_it_again(seed: int) -> None:
    chance, known, made = random.Random(seed), {}, ()
    body = b""
    for _ in range(30):
        cut, grow = chance.choice([0, 0, chance.randrange(len(body) + 1)]), chance.choice([0, 10, 300 * KB, 1200 * KB])
        body = body[: len(body) - cut] + chance.randbytes(grow)
        if body and chance.random() < 0.2:
            place = chance.randrange(len(body))
            body = body[:place] + b"!" + body[place + 1 :]
        found = list(chunks.contents(io.BytesIO(body), len(body), made))
        known |= {chunk.digest: new for chunk, new in found if new is not None}
        made = tuple(chunk for chunk, _ in found)
        assert b"".join(known[chunk.digest] for chunk in made) == body
        assert all(len(known[chunk.digest]) == chunk.size <= chunks.CHUNK for chunk in made)
        body = body[: 4 * chunks.CHUNK]


class Look:
    """Looks at a folder, again and again."""

    def __init__(self, folder: Path) -> None:
        self.known: dict[str, Known] = {}
        self._folder = folder

    def __call__(self) -> tuple[dict[str, FileInfo], int]:
        """What has changed, and how many contents may be new."""
        looked = Scan("run-1", self._folder, self.known)
        new = len(list(looked.contents()))
        self.known = looked.found
        return looked.changes(), new


@pytest.fixture
def look(tmp_path: Path) -> Look:
    (tmp_path / "workspace").mkdir()
    return Look(tmp_path / "workspace")


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that counts time in ticks of 20 ms, whatever this one does."""
    tick = 20_000_000
    stamp, time_at = scan._stamp, scan._time_at

    def coarse_stamp(node: os.stat_result) -> scan.Stamp:
        mtime, ctime, size, number = stamp(node)
        return mtime // tick * tick, ctime // tick * tick, size, number

    monkeypatch.setattr(scan, "_stamp", coarse_stamp)
    monkeypatch.setattr(scan, "_time_at", lambda folder: time_at(folder) // tick * tick)


def long_ago(path: Path) -> None:
    os.utime(path, (1_000_000_000, 1_000_000_000))


def test_what_has_not_changed_is_not_read_again(look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "workspace"
    write(folder / "a", "text")
    assert look() == ({"a": look.known["a"].info}, 1)
    while look.known["a"].stamp is None:  # until the tick of the file system's clock is over in which it was written
        look()
    monkeypatch.setattr("holdfast.durable.workspace.scan._opened", None)  # who opens a file now fails
    assert look() == ({}, 0)


def test_a_change_that_times_do_not_show_is_seen(look: Look, tmp_path: Path, coarse: None) -> None:
    """Of the same size, at once after the look, with the time set back: many times over."""
    path = tmp_path / "workspace" / "a"
    write(path, "0000")
    long_ago(path)
    look()
    for number in range(1, 200):
        path.write_text(f"{number:04}")
        long_ago(path)
        changed, _ = look()
        assert "a" in changed, f"change {number} was overlooked"


def test_a_change_right_after_a_restore_is_seen(tmp_path: Path, coarse: None) -> None:
    folder, path = tmp_path / "workspace", tmp_path / "workspace" / "a"
    for number in range(20):
        folder.mkdir(exist_ok=True)
        body = f"{number:04}".encode()
        chunk = Chunk(digest=chunks.digest_of(body), size=4)
        info = FileInfo(path="a", kind=FileKind.FILE, mode=0o644, size=4, chunks=(chunk,))
        restore = Restore(folder, [info])
        restore.prepare()
        for batch in restore.batches():
            restore.write(batch, {chunk.digest: codec.pack(body)})
        look = Look(folder)
        look.known = restore.finish()
        with path.open("r+b") as file:
            file.write(b"late")
        changed, _ = look()
        assert "a" in changed, f"change {number} was overlooked"


def test_a_mode_alone_and_a_file_that_is_gone_are_changes(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "workspace" / "a"
    write(path, "text")
    look()
    path.chmod(0o600)
    changed, new = look()
    assert (changed["a"].mode, new) == (0o600, 0)
    path.unlink()
    assert look()[0]["a"].kind == "gone"
    assert look() == ({}, 0)
