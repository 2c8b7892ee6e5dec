"""``runs files`` and ``runs cat``: what runs left in their workspaces, by the real command."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast import App, Context, Settings
from holdfast.cli.codes import Exit
from tests.cli.shell import COMMAND, WITHIN, Shell

app = App("files")
BINARY = bytes(range(256)) * 10_000


def draw(folder: Path) -> None:
    (folder / "plots").mkdir()
    (folder / "plots/a.png").write_bytes(BINARY)
    (folder / "report.md").write_text("first")
    (folder / "report.md").chmod(0o640)
    (folder / "latest").symlink_to("plots/a.png")


def revise(folder: Path) -> None:
    (folder / "report.md").write_text("second \x1b[31mred\n")
    (folder / "li\nne").touch()


@app.agent
async def plot(ctx: Context) -> None:
    await ctx.step(draw, ctx.workspace)
    await ctx.step(revise, ctx.workspace)


@dataclass(frozen=True, slots=True)
class Left:
    """A run that has ended, and a folder to look at it from."""

    shell: Shell
    run: str


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Left]:
    shell = Shell(tmp_path_factory.mktemp("files"), kind)

    async def live() -> str:
        settings = Settings(workspaces=str(shell.folder / "workspaces"))
        async with app.open(shell.store("files"), settings=settings) as runtime:
            run = await runtime.start(plot())
            await run.result()
            return run.id

    yield Left(shell, asyncio.run(live()))
    shell.close()


def test_files_are_listed_with_the_entry_that_changed_them(left: Left) -> None:
    said = left.shell("runs", "files", left.run)
    assert said.code == 0 and [line.split() for line in said.out.splitlines()] == [
        ["MODE", "SIZE", "ENTRY", "PATH"],
        ["lrwxrwxrwx", "1", "latest", "->", "plots/a.png"],
        ["-rw-r--r--", "0", "2", "li", "ne"],
        ["drwxr-xr-x", "1", "plots/"],
        ["-rw-r--r--", "2560000", "1", "plots/a.png"],
        ["-rw-r-----", "16", "2", "report.md"],
    ]


def test_files_as_json_and_as_of_an_entry(left: Left) -> None:
    said = left.shell("runs", "files", left.run, "--at", "1", "--json").json
    assert said["run"] == left.run
    assert said["files"][-1] == {
        "path": "report.md", "kind": "file", "size": 5, "mode": "0640", "entry": 1, "target": None,
    }  # fmt: skip
    assert [file["path"] for file in said["files"]] == ["latest", "plots", "plots/a.png", "report.md"]
    assert left.shell("runs", "files", left.run, "--at", "0", "--json").json["files"] == []


def test_a_file_is_written_byte_by_byte(left: Left) -> None:
    printed = subprocess.run(
        (*COMMAND, "runs", "cat", left.run, "plots/a.png"),
        cwd=left.shell.folder, env=left.shell.environment, capture_output=True, check=True, timeout=WITHIN,
    )  # fmt: skip
    assert printed.stdout == BINARY
    said = left.shell("runs", "cat", left.run, "plots/a.png", "--out", "copy.png", "--json")
    assert said.json == {"run": left.run, "path": "plots/a.png", "out": "copy.png", "size": len(BINARY)}
    assert (left.shell.folder / "copy.png").read_bytes() == BINARY
    assert left.shell("runs", "cat", left.run, "report.md", "--at", "1").out == "first"


@pytest.mark.parametrize(
    ("path", "code", "says"),
    [
        ("nothing.txt", Exit.NOT_FOUND, "has no file 'nothing.txt'"),
        ("plots", Exit.USAGE, "is a folder"),
        ("latest", Exit.USAGE, "is a link, to plots/a.png"),
    ],
)
def test_what_is_no_file_is_said(left: Left, path: str, code: Exit, says: str) -> None:
    said = left.shell("runs", "cat", left.run, path, "--out", "not-made", "--json")
    assert said.code == code and says in said.problem["message"]
    assert not (left.shell.folder / "not-made").exists()


def test_an_unknown_run_is_said(left: Left) -> None:
    assert left.shell("runs", "files", "nobody").code == Exit.NOT_FOUND
    assert left.shell("runs", "cat", "nobody", "a").code == Exit.NOT_FOUND


def test_a_file_that_cannot_be_written_is_said(left: Left) -> None:
    said = left.shell("runs", "cat", left.run, "report.md", "--out", "no/such/folder")
    assert said.code == Exit.USAGE and "cannot be written" in said.err


def test_a_reader_that_stops_reading_ends_it(left: Left) -> None:
    script = f"{' '.join(COMMAND)} runs cat {left.run} plots/a.png | head -c 10 >/dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=left.shell.folder, env=left.shell.environment, capture_output=True, timeout=WITHIN
    )
    assert (done.returncode, done.stderr) == (Exit.READER_GONE, b""), sys.executable
