"""Journal files: what is written reads back exactly, and what is no whole journal file says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast import AesGcm, App, Context, UnknownRun, codec, use_cipher
from holdfast.durable.recording import load_recording, read_recording, write_recording
from holdfast.errors import BadRecording
from holdfast.records.journal import Entry, Group, Item, Kind, Op
from holdfast.records.run import Origin, Parent, Run, Status
from holdfast.wire.lines import entry_of, group_of, item_of, line_of, run_line, run_of

app = App("recorded")


async def said(text: str) -> str:
    return f"{text}!"


@app.agent
async def mixed(ctx: Context) -> list[str]:
    """A finished branch with a map inside, an unfinished one, a map of steps, a child."""

    async def branch(name: str) -> list[str]:
        inner = list(await ctx.map(said, [f"{name}1", f"{name}2"], key=str))
        if name == "b":
            await ctx.promise("go", bool)
        return [*inner, await ctx.step(said, name)]

    await leaf("x" * 5000)
    await ctx.map(leaf, ["y"], key=str)
    return [part for parts in await ctx.map(branch, ["a", "b"], key=str) for part in parts]


@app.agent
async def leaf(ctx: Context, text: str) -> str:
    return await ctx.step(said, text)


async def recorded(out: Path, *, wait: bool = True) -> tuple[list[Any], Any]:
    """All that the store has of a run, and what a replay of it is given there; its file is written meanwhile."""
    async with app.test(always_suspend=True) as t:
        run = await t.start(mixed(), key="k")
        await t.quiet()
        if not wait:
            await t.resolve(f"{run.id}/{next(key for key in await declared(t, run.id))}", True)
            await run.result()
        everything = [one async for one in t.store.everything(run.id)]
        lines = await write_recording(t, run.id, out, app="recorded")
        assert lines == len(everything) + 1
        loaded = await load_recording(t, run.id)
        values = {
            map_hash: loaded.loader(map_hash, list(index.ords)) for map_hash, index in loaded.history.maps.items()
        }
        return everything, (loaded, values)


async def declared(t: Any, run_id: str) -> list[str]:
    return [entry.key async for entry in t.journal(run_id) if entry.op is Op.PROMISE and entry.kind is Kind.INTENT]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    asyncio.run(recorded(path))
    return path


@pytest.mark.parametrize("wait", [True, False], ids=["unfinished", "finished"])
def test_a_file_gives_a_replay_what_the_store_gives_it(tmp_path: Path, wait: bool) -> None:
    path = tmp_path / "run.jsonl"
    _, (loaded, values) = asyncio.run(recorded(path, wait=wait))
    read = read_recording(path)
    assert (read.app, read.source) == ("recorded", str(path))
    assert read.history.entries == loaded.history.entries
    assert read.history.groups == loaded.history.groups
    assert read.history.maps == loaded.history.maps
    assert {at: read.loader(at, list(index.ords)) for at, index in read.history.maps.items()} == values
    kept = ("id", "root", "agent", "version", "key", "generation", "epoch", "started_at", "created_at", "ended_at")
    for name in (*kept, "status", "input", "digest", "result", "error", "entries", "tags"):
        assert getattr(read.run, name) == getattr(loaded.run, name), name


def test_a_file_holds_what_happened_in_finished_branches_too(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    everything, (loaded, _) = asyncio.run(recorded(path))
    _, *rest, end = map(json.loads, path.read_text("utf-8").split("\n")[:-1])
    read = [{"entry": entry_of, "item": item_of, "group": group_of}[line["type"]](line) for line in rest]
    assert read == everything[1:]
    finished = {one.branch for one in read if isinstance(one, Item)}
    inside = [one for one in read if isinstance(one, Entry) and one.branch in finished]
    assert inside, "the finished branch's step is there"
    assert not set(inside) & set(loaded.history.entries), "and a replay does not see it"
    assert (end["entries"], end["items"]) == (
        sum(isinstance(one, Entry) for one in read), sum(isinstance(one, Item) for one in read),
    )  # fmt: skip
    seqs = [one.seq for one in read if not isinstance(one, Group)]
    assert seqs == sorted(seqs)


RAW = [
    b"", b"null", b"1", b'"x"', b'{"b":1,"a":[1.5,-0.0,true]}', b'{"a":1,"a":2}', b'{ "a": 1}', b"1e5", b"1.0",
    b"NaN", b"Infinity", b"1e999", b"1,2", b"]][[", b"0" * 5000, b"1" * 5000, b'"\\ud800"', b'"\\u0041"',
    b"[" * 100_000, "\u2028\x00\x1b[31mé☂".encode(), json.dumps("\u2028\x00\x1b☂", ensure_ascii=False).encode(),
    b"\xff\xfe", b"\r\n",    b'{"timed_out": false, "reason": ""}', b'["~timer:1#1", "b"]', bytes(range(256)) * 40,
]  # fmt: skip


@pytest.mark.parametrize("data", RAW, ids=range(len(RAW)))
@pytest.mark.parametrize("kind", [Kind.OUTCOME, Kind.FIRED])
def test_every_value_comes_back_byte_for_byte(data: bytes, kind: Kind) -> None:
    stored = data if kind is Kind.FIRED else codec.pack(data)
    entry = Entry(seq=1, kind=kind, op=Op.STEP, key="a", at=-1, ok=False, guarded=True, value=stored, branch=-(2**63))
    line = json.loads(json.dumps(line_of(entry), ensure_ascii=False, allow_nan=False))
    assert entry_of(line) == entry
    item = Item(map=2**63 - 1, ord=3, branch=0, seq=2, at=1, value=codec.pack(data), within=-1)
    assert item_of(json.loads(json.dumps(line_of(item)))) == item


def test_values_that_people_can_read_are_json() -> None:
    def value(data: bytes, kind: Kind = Kind.OUTCOME) -> dict[str, Any]:
        stored = data if kind is Kind.FIRED else codec.pack(data)
        line = line_of(Entry(seq=1, kind=kind, op=Op.STEP, key="a", at=0, value=stored))
        return {name: said for name, said in line.items() if name.startswith("value")}

    assert value(b'{"a":[1,"\xc3\xa9"]}') == {"value": {"a": [1, "é"]}}
    assert value(b'["~timer:1#1", "b"]', Kind.FIRED) == {"value": ["~timer:1#1", "b"]}
    assert value(b"1.50") == {"value_text": "1.50"}
    assert value(b"\xff") == {"value_base64": "/w=="}


def test_a_run_comes_back_with_all_that_a_replay_needs() -> None:
    run = Run(
        rid=0, id="r.1", agent="a", version="2", key="k", input=codec.pack(b"{}"), digest=b"\x01\xff",
        status=Status.FAILED, priority=3, root="r", parent=Parent(run_id="r", key="a#1", detached=True), epoch=4,
        worker=None, wakes=0, seen=0, wake_at=None, generation=2, lost=0, created_at=1, started_at=2, ended_at=3,
        deadline_at=4, cancel_at=5, cancel_reason="why", result=None, error=codec.pack_failure("X", "y"), progress=None,
        entries=7, origin=Origin(run_id="o", seq=5, seed="o/0", keys=None), tags=("t", "u"),
    )  # fmt: skip
    assert run_of(json.loads(json.dumps(run_line(run)))) == run


@pytest.fixture
def sealed() -> Iterator[None]:
    use_cipher(AesGcm({"k": bytes(32)}, current="k"))
    yield
    use_cipher(None)


def test_a_file_of_an_encrypted_store_is_plain(tmp_path: Path, sealed: None) -> None:
    path = tmp_path / "run.jsonl"
    asyncio.run(recorded(path))
    assert '"value": "a1!"' in path.read_text("utf-8")
    use_cipher(None)
    assert any(b"x!" in codec.unpack(entry.value) for entry in read_recording(path).history.entries if entry.value)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadRecording, match="cannot be written"):
        asyncio.run(recorded(tmp_path / "folder"))
    with pytest.raises(BadRecording, match="cannot be written"):
        asyncio.run(recorded(tmp_path / "nowhere" / "run.jsonl"))
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]


def test_an_unknown_run_leaves_no_file(tmp_path: Path) -> None:
    async def write() -> None:
        async with app.test() as t:
            await write_recording(t, "nobody", tmp_path / "run.jsonl")

    with pytest.raises(UnknownRun, match="nobody"):
        asyncio.run(write())
    assert list(tmp_path.iterdir()) == []


# -- files that are no journal


def lines(edit: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    return lambda text: "".join(edit(text.splitlines(keepends=True)))


def header(**changes: Any) -> Callable[[str], str]:
    def edit(text: str) -> str:
        first, rest = text.split("\n", 1)
        return f"{json.dumps(json.loads(first) | changes)}\n{rest}"

    return edit


DAMAGE: list[tuple[Callable[[str], str], str]] = [
    (lambda text: "", "is empty"),
    (lambda text: "SQLite format 3\0" + text, "is no journal file of Holdfast"),
    (lambda text: "[1]\n" + text, "is no journal file of Holdfast"),
    (lambda text: '{"type": "header", "format": "other"}\n', "is no journal file of Holdfast"),
    (header(version=3, holdfast="9.1"), "has format version 3, written by Holdfast 9.1; this one reads 2: upgrade"),
    (header(version=1), "has format version 1, which does not say enough to replay"),
    (header(run={}), r"line 1 lacks or misstates 'parent'"),
    (lines(lambda rows: rows[:-1]), "was cut short"),
    (lambda text: text[:-30], r"line \d+ is no JSON .*may have been cut there"),
    (lines(lambda rows: [*rows[:3], "{\n", *rows[3:]]), "line 4 is no JSON"),
    (lines(lambda rows: [*rows[:3], "7\n", *rows[3:]]), "line 4 is no object"),
    (lines(lambda rows: [*rows[:3], '{"type": "poem"}\n', *rows[3:]]), "line 4 is of an unknown type, 'poem'"),
    (lines(lambda rows: [*rows[:4], *rows[5:]]), r"its last line tells of \d+ (entries|items), there are \d+"),
    (lines(lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]]), r"line 5 has seq 2 after 3: lines are out of order"),
    (lambda text: text + text, "goes on after its end, in line"),
    (lambda text: text.replace('"kind": "outcome"', '"kind": "income"', 1), "lacks or misstates 'INCOME'"),
    (lambda text: text.replace('"branch": "', '"branch": "zz', 1), "cannot be understood"),
    (lambda text: text.replace('"ord": 0', '"ord": -1', 1), "cannot be understood .*is negative"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGE, ids=range(len(DAMAGE)))
def test_a_file_that_is_no_whole_journal_says_so(journal: Path, damage: Callable[[str], str], said: str) -> None:
    journal.write_text(damage(journal.read_text("utf-8")), "utf-8")
    with pytest.raises(BadRecording, match=said) as refused:
        read_recording(journal)
    assert str(refused.value).startswith(str(journal))


def test_it_may_be_cut_anywhere(journal: Path, tmp_path: Path) -> None:
    whole = journal.read_bytes()
    cut = tmp_path / "cut.jsonl"
    for length in range(0, len(whole) - 1, 97):
        cut.write_bytes(whole[:length])
        with pytest.raises(BadRecording):
            read_recording(cut)
    cut.write_bytes(whole[:-1])  # only its last line feed is missing
    assert read_recording(cut).run == read_recording(journal).run


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="name a file in it"):
        read_recording(tmp_path)
    with pytest.raises(BadRecording, match="No such file"):
        read_recording(tmp_path / "nowhere.jsonl")


def test_a_file_that_changes_after_it_was_read_is_noticed(journal: Path) -> None:
    read = read_recording(journal)
    (map_hash, index), *_ = read.history.maps.items()
    journal.write_text("{}\n" * 100)
    with pytest.raises(BadRecording, match="has changed since it was read"):
        read.loader(map_hash, list(index.ords))
