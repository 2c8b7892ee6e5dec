"""Each verb of the command is run by a test, as a process: a new one needs such a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from holdfast.cli.command import app

HERE = Path(__file__).parent
IN_THIS_PROCESS = ("inside", "direct")  # of ``Shell`` and ``Counter``: what is run so does not count


def verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all commands below one."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from verbs(inner, (*path, name))
    if not hasattr(command, "commands"):
        yield path


def invocations(source: str) -> Iterator[tuple[str, ...]]:
    """The words with which a test's calls begin: ``shell("runs", "list", …)`` gives ``("runs", "list")``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") not in IN_THIS_PROCESS:
            words = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
            given = words[1:] if words and words[0] is None else words  # at_terminal(past, "runs", "list")
            yield tuple(word for word in given[:2] if isinstance(word, str))


def test_every_verb_is_run_as_a_process() -> None:
    run = {words for file in sorted(HERE.glob("*.py")) for words in invocations(file.read_text("utf-8"))}
    begun = {words[:length] for words in run for length in (1, 2)}
    known = set(verbs(typer.main.get_command(app)))
    assert len(known) > 20
    assert sorted(known - begun) == [], "no test in tests/cli runs these"


def test_what_runs_in_this_process_does_not_count() -> None:
    source = 'shell.inside("runs", "list")\nshell("runs", "show", run)\nat_terminal(past, "workers", "list")\nf(x)'
    assert set(invocations(source)) == {("runs", "show"), ("workers", "list"), ()}
