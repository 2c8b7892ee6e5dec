"""What goes wrong is said in one line, with an exit code that does not change."""

from __future__ import annotations

import importlib.metadata
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Past
from tests.cli.shell import WITHIN, Shell, end

USAGE, NOT_FOUND, STORE, CONFLICT = 2, 3, 4, 5

WRONG = [
    (("start", "shop", "price"), USAGE, "'shop' names no app: write MODULE:APP"),
    (("start", "shoop:app", "price"), USAGE, "no module named 'shoop'"),
    (("start", "shop:apple", "price"), USAGE, "module shop has no 'apple'; apps there: shop:app"),
    (("start", "shop:not_an_app", "price"), USAGE, "is no App but of type int"),
    (("start", "broken:app", "price"), USAGE, "module broken cannot be imported: ZeroDivisionError: division by zero"),
    (("start", "shop:app", "prize"), NOT_FOUND, "agent 'prize' is not defined here"),
    (("start", "shop:app", "price", "{}", "--version", "9"), USAGE, "argument order.id"),
    (("start", "shop:app", "ask", "--version", "9"), NOT_FOUND, "hosted by no live worker"),
    (("start", "shop:app", "price"), USAGE, "missing a required argument: 'order'"),
    (("start", "shop:app", "price", "o-1"), USAGE, "argument 1 is not JSON"),
    (("start", "shop:app", "price", '{"id": 7}'), USAGE, "argument order.id: Input should be a valid string"),
    (("start", "shop:app", "ask", "--input", "7"), USAGE, "--input takes an object"),
    (("start", "shop:app", "ask", "--input", "@nowhere"), USAGE, "--input cannot be read"),
    (("start", "shop:app", "price", "1", "--input", "{}"), USAGE, "not both"),
    (("runs", "list", "--store", "nowhere.db"), STORE, "nowhere.db does not exist"),
    (("runs", "list", "--store", "garbage.db"), STORE, "is no SQLite file"),
    (("runs", "list", "--store", "oracle://x"), STORE, "is no store that this version knows"),
    (("runs", "list", "--status", "done"), USAGE, "--status 'done': choose from queued, running"),
    (("runs", "list", "--limit", "0"), USAGE, "--limit"),
    (("runs", "frobnicate"), USAGE, "frobnicate"),
    (("runs",), USAGE, "Missing command. See `holdfast runs --help`."),
]
OF_PROCESSES = [
    (("worker", "shop:app", "--agents", "prize"), NOT_FOUND, "agent 'prize' is not defined here"),
    (("worker", "shop:app", "--agents", ","), USAGE, "--agents names none"),
    (("worker", "shop:app", "--store", "garbage.db"), STORE, "is no SQLite file"),
    (("start", "broken:app", "price"), USAGE, "module broken cannot be imported"),
]


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A folder with things that cannot be used."""
    shell = Shell(tmp_path_factory.mktemp("bad"))
    (shell.folder / "broken.py").write_text("1 / 0\n")
    (shell.folder / "garbage.db").write_text("this is no database" * 100)
    return shell


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG)
def test_a_mistake_is_one_line_and_a_code(bad: Shell, arguments: tuple[str, ...], code: int, words: str) -> None:
    said = bad.inside(*arguments)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith("error: ")
    assert words in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(("arguments", "code", "words"), OF_PROCESSES)
def test_so_it_is_for_the_process(bad: Shell, arguments: tuple[str, ...], code: int, words: str) -> None:
    said = bad.afresh(*arguments)
    assert (said.code, said.out) == (code, "")
    assert words in said.err
    assert [line for line in said.err.splitlines() if line.startswith("error: ")] == said.err.splitlines()


def test_who_only_looks_leaves_no_store_behind(bad: Shell) -> None:
    bad.inside("runs", "list", "--store", "nowhere.db")
    assert not (bad.folder / "nowhere.db").exists()
    assert not (bad.folder / "nowhere.db-sidecar").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("runs", "show", "nobody"), NOT_FOUND, "UnknownRun"),
        (("runs", "watch", "nobody"), NOT_FOUND, "UnknownRun"),
        (("runs", "export", "nobody"), NOT_FOUND, "UnknownRun"),
        (("runs", "cancel", "nobody"), NOT_FOUND, "UnknownRun"),
        (("promise", "resolve", "nobody/x", "1"), NOT_FOUND, "UnknownRun"),
        (("promise", "resolve", "nobody/x", "{"), USAGE, "UsageError"),
        (("runs", "list", "--status", "done"), USAGE, "BadOption"),
        (("runs", "show"), USAGE, "UsageError"),
    ],
)
def test_problems_are_json_where_it_was_asked_for(
    past: Past, arguments: tuple[str, ...], code: int, error: str
) -> None:
    said = past.shell.inside(*arguments, "--json")
    assert (said.code, said.out) == (code, "")
    assert (said.problem["error"], said.problem["code"]) == (error, code)
    assert said.problem["message"]


def test_so_they_are_from_the_process(past: Past) -> None:
    said = past.shell.afresh("runs", "show", "nobody", "--json")
    assert (said.code, said.out, said.problem["error"]) == (NOT_FOUND, "", "UnknownRun")


def test_a_reader_that_has_read_enough_is_no_fault(past: Past) -> None:
    exporting = past.shell.begin("runs", "export", past.succeeded)
    assert exporting.stdout is not None and exporting.stderr is not None
    exporting.stdout.close()
    assert exporting.stderr.read() == ""
    assert exporting.wait(WITHIN) == 141


def test_an_interrupted_watcher_says_so_and_the_run_goes_on(past: Past) -> None:
    watching = past.shell.begin("runs", "watch", past.waiting)
    assert watching.stdout is not None
    assert watching.stdout.readline().startswith("waiting")
    watching.send_signal(signal.SIGINT)
    assert end(watching).code == 130
    assert past.shell("runs", "show", past.waiting, "--json").json["status"] == "waiting"


def test_what_has_ended_is_a_conflict(past: Past) -> None:
    assert past.shell("runs", "cancel", past.succeeded).code == CONFLICT
    assert past.shell.inside("runs", "resume", past.waiting).code == CONFLICT


def test_a_store_is_found_by_variable_option_and_app(past: Past, tmp_path: Path) -> None:
    elsewhere = Shell(tmp_path)
    url = f"sqlite:///{past.shell.folder}/.holdfast/shop.db"
    assert past.waiting in elsewhere.inside("runs", "list", "--store", url).out
    assert past.waiting in elsewhere("runs", "list", HOLDFAST_STORE=url).out
    assert past.waiting in past.shell.inside("runs", "list", "--app", "shop:app").out
    assert "there is no store in" in elsewhere.inside("runs", "list").err
    (tmp_path / ".holdfast").mkdir()
    for name in ("a.db", "b.db"):
        (tmp_path / ".holdfast" / name).touch()
    said = elsewhere.inside("runs", "list")
    assert said.code == STORE
    assert "2 stores in .holdfast: a.db, b.db" in said.err


def test_the_command_explains_itself(bad: Shell) -> None:
    said = bad.afresh("--help")
    assert said.code == 0
    assert "Exit codes: 0 done" in said.out
    assert bad.inside().out == said.out
    assert "Hosts agents" in said.out


def test_the_command_says_which_it_is(bad: Shell) -> None:
    said = bad.inside("--version")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"holdfast {importlib.metadata.version('holdfast')}, Python 3.")
