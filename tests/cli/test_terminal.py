"""What a person sees at a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess

import pytest

from tests.cli.conftest import Past
from tests.cli.shell import COMMAND, WITHIN

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


def at_terminal(past: Past, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run a command on a pseudo-terminal; its exit code and all that it wrote there."""
    ours, its = pty.openpty()
    environment = past.shell.environment | {"TERM": "xterm-256color", "COLUMNS": "200"} | variables
    process = subprocess.Popen((*COMMAND, *arguments), cwd=past.shell.folder, env=environment, stdin=its, stdout=its)
    os.close(its)
    written = bytearray()
    try:
        while part := os.read(ours, 4096):
            written += part
    except OSError:  # Linux says so when the other end is closed
        pass
    finally:
        os.close(ours)
    return process.wait(WITHIN), written.decode()


def test_lists_are_coloured_tables(past: Past) -> None:
    code, text = at_terminal(past, "runs", "list")
    assert code == 0
    assert COLOUR.search(text)
    assert past.succeeded in text


def test_no_color_is_honoured(past: Past) -> None:
    _, text = at_terminal(past, "runs", "list", NO_COLOR="1")
    assert past.succeeded in text
    assert not COLOUR.search(text)


def test_markup_and_codes_of_runs_are_shown_as_they_are(past: Past) -> None:
    _, text = at_terminal(past, "runs", "list", "--all", "--agent", "price")
    assert r"pricing [red]it[/red]\x1b[31m" in re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("arguments", [("runs", "list", "--json"), ("workers", "list", "--json")])
def test_json_is_never_coloured(past: Past, arguments: tuple[str, ...]) -> None:
    _, text = at_terminal(past, *arguments)
    assert "\x1b" not in text


def test_watching_draws_a_bar_and_says_the_end(past: Past) -> None:
    code, text = at_terminal(past, "runs", "watch", past.failed)
    assert code == 1
    assert "failed: ValueError: no stock" in text


def test_the_bar_shows_messages_as_they_are(past: Past) -> None:
    child = past.shell.inside("runs", "list", "--all", "--agent", "price", "--json").json["runs"][0]["id"]
    code, text = at_terminal(past, "runs", "watch", child)
    assert code == 0
    assert r"pricing [red]it[/red]\x1b[31m" in text
    assert "1/3" in text
