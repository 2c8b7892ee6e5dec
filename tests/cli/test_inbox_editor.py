"""``holdfast inbox edit``: an editor, as often as it takes; and who decides where nobody is known."""

from __future__ import annotations

import getpass
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.counters import ANN, Counter, counter_in
from tests.cli.shell import Said, until

EDITOR = """
import json, pathlib, sys
file, script = pathlib.Path(sys.argv[-1]), pathlib.Path(sys.argv[1])
saves = json.loads(script.read_text())
seen = script.with_suffix(".seen")
seen.write_text((seen.read_text() if seen.exists() else "") + file.read_text() + "\\0")
save = saves.pop(0)
script.write_text(json.dumps(saves))
if save is not None:
    head = "".join(line + "\\n" for line in file.read_text().splitlines() if line.startswith("#"))
    file.write_text(head + save)
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    with counter_in(tmp_path_factory.mktemp("counter"), "sqlite") as counter:
        yield counter


class Editing:
    """An editor that saves what it is told to, text by text; None: what is there."""

    def __init__(self, counter: Counter, folder: Path, *saves: str | None) -> None:
        self.counter = counter
        self.script = folder / "saves.json"
        self.script.write_text(json.dumps(saves))
        (folder / "editor.py").write_text(EDITOR)
        counter.shell.variables["VISUAL"] = shlex.join([sys.executable, str(folder / "editor.py"), str(self.script)])

    def __call__(self, case: str, *options: str) -> Said:
        return self.counter.inside(ANN, "inbox", "edit", case, *options)

    def in_a_process(self, case: str) -> Said:
        return self.counter(ANN, "inbox", "edit", case)

    @property
    def seen(self) -> list[str]:
        """What the editor was opened with."""
        return self.script.with_suffix(".seen").read_text().split("\0")[:-1]


def test_what_is_saved_is_approved(counter: Counter, tmp_path: Path) -> None:
    case = counter.asks("settle", '"e-1"', "90")
    edit = Editing(counter, tmp_path, '{"claim": "e-1", "amount": 80}')
    said = edit.in_a_process(case["id"])
    assert (said.code, said.out) == (0, f"{case['id']} is approved with changes: pay(amount=80, claim=e-1)\n")
    assert counter.result(case) == "paid 80, approved by ann"
    (seen,) = edit.seen
    assert "# because e-1 was damaged\\x1b[2J" in seen
    assert '{\n  "amount": 90.0,\n  "claim": "e-1"\n}' in seen


def test_what_does_not_fit_is_shown_and_the_editor_opens_again(counter: Counter, tmp_path: Path) -> None:
    case = counter.asks("settle", '"e-2"', "90")
    wrong = ['{"amount": }', '{"claim": "e-2", "amount": "lots", "extra": 1}', '{"amount": 1}']
    edit = Editing(counter, tmp_path, *wrong, '{"claim": "e-2", "amount": 70}')
    assert edit(case["id"], "--json").json["decision"]["final"]["arguments"] == {"claim": "e-2", "amount": 70}
    assert len(edit.seen) == 4
    assert "# !! it is no JSON" in edit.seen[1]
    assert "# !! $.amount: 'lots'" in edit.seen[2]
    assert "extra" in edit.seen[2]
    assert "claim" in edit.seen[3].partition("!!")[2]
    assert wrong[1] in edit.seen[2], "what was written is not lost"


def test_whoever_gives_up_decides_nothing(counter: Counter, tmp_path: Path) -> None:
    case = counter.asks("settle", '"e-3"', "90")
    for number, saves in enumerate(([None], ["", "x"], ["# only this"], ["nonsense", None])):
        folder = tmp_path / str(number)
        folder.mkdir()
        said = Editing(counter, folder, *saves)(case["id"])
        assert said.code == 2
        assert "nothing was decided" in said.err
    counter.shell.variables["VISUAL"] = "/nowhere/editor"
    assert "the editor" in counter.inside(ANN, "inbox", "edit", case["id"]).err
    assert counter.inside(ANN, "inbox", "show", case["id"], "--json").json["case"]["state"] == "pending"


def test_values_and_answers_are_edited_too(counter: Counter, tmp_path: Path) -> None:
    plan, question = counter.asks("plan"), counter.asks("count")
    wrong, right = '{"title": "t", "steps": ["dry", 5]}', '{"title": "t", "steps": ["rest"]}'
    edit = Editing(counter, tmp_path, wrong, right)
    assert edit(plan["id"]).code == 0
    assert "$.steps[1]" in edit.seen[1]
    assert counter.result(plan) == "rest"
    assert Editing(counter, tmp_path, "4")(question["id"]).code == 0
    assert counter.result(question) == 4


def test_where_nobody_is_known_it_is_whoever_is_logged_in_and_where_one_is_known_they(counter: Counter) -> None:
    case = counter.asks("settle", '"only-1"', "3")
    first, *others = ("ann", "bob", "cid")
    for name in others:
        counter.direct("people", "remove", name)
    assert counter.direct("inbox", "approve", case["id"]).code == 0
    assert counter.result(case) == "paid 3, approved by ann", "the only one who is known"
    counter.direct("people", "remove", first)
    said = counter.direct("start", "counter:app", "settle", '"os-1"', "3")
    run = said.out.strip()
    case = until(lambda: counter.direct("inbox", "list", "--run", run, "--json").json["approvals"])[0]
    assert counter.direct("inbox", "approve", case["id"]).code == 0
    assert counter.result(case) == f"paid 3, approved by {getpass.getuser()}"
